// What single values cannot say: conditions between keys. Each rule has a sentence for the reference and a check.

import type { GivenValues } from '../collect-values.ts';
import type { ClusterValues, SchemaValues } from '../schema/schema.ts';

export interface Rule {
  /** One sentence for the reference. */
  readonly doc: string;
  check(subject: RuleSubject): void;
}

/** A cluster of the file and the path of its section: `source`, `target`, `targets.NAME`. */
export interface NamedCluster {
  readonly path: string;
  readonly values: ClusterValues;
}

export interface ProblemOptions {
  readonly suggestion?: string;
  readonly involves?: readonly string[];
  /** Keys that lead from the value of the key to the entry that is meant. */
  readonly within?: readonly string[];
}

/** What the rules look at, and where they report. */
export class RuleSubject {
  readonly values: SchemaValues;
  /** Every cluster that the file gives. */
  readonly clusters: readonly NamedCluster[];
  /** From when ages such as `-2h` count back. */
  readonly nowMs: number;
  private readonly given: GivenValues;

  constructor(values: SchemaValues, clusters: readonly NamedCluster[], given: GivenValues, nowMs: number) {
    this.values = values;
    this.nowMs = nowMs;
    this.clusters = clusters;
    this.given = given;
  }

  has(path: string): boolean {
    return this.given.has(path);
  }

  hasTarget(name: string): boolean {
    return this.given.targetNames.has(name);
  }

  /** Reports at a key, or at an entry in its map, unless this key or one of those involved already has a problem. */
  problem(path: string, message: string, options: ProblemOptions = {}): void {
    if ([path, ...(options.involves ?? [])].some((each) => this.given.isBroken(each))) return;
    this.given.report(this.given.originOf(path, options.within), path, message, options.suggestion ?? null);
  }

  note(kind: 'notice' | 'warning', path: string, message: string): void {
    this.given.notices.push({ kind, origin: this.given.originOf(path), key: path, message });
  }
}
