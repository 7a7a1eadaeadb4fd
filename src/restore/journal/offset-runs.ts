// The offset map of one target partition: which source record is at which offset. The restored records of a partition lie behind
// one another without a hole, so a list of source runs says it all, and it grows with the holes of the source, not with its
// records. What a long list holds beyond one piece goes to the store as it comes, so memory stays bounded.

import { BackupError } from '../../model/errors.ts';
import type { JsonFields } from '../../model/json-fields.ts';

/** `count` records with consecutive source offsets, at consecutive target offsets. */
export interface SourceRun {
  readonly sourcePartition: number;
  readonly firstSourceOffset: bigint;
  readonly count: number;
}

/** A run and where it lies in the target partition. */
export interface OffsetRun extends SourceRun {
  readonly firstTargetOffset: bigint;
}

/** Part of the format: a restore that is resumed cuts its map into the same pieces again. */
export const RUNS_PER_PIECE = 8192;
/** A shorter map is kept in the report itself. */
export const MOST_RUNS_IN_REPORT = 256;

/** Runs of one target partition, in the order of its records. */
export class OffsetRuns {
  /** Of the present piece, the last run being open: the next record may continue it. */
  #runs: SourceRun[] = [];
  #runCount = 0;
  #recordCount = 0n;

  /** Records so far. */
  get recordCount(): bigint {
    return this.#recordCount;
  }

  get runCount(): number {
    return this.#runCount;
  }

  /** The runs since the last full piece. */
  get open(): readonly SourceRun[] {
    return this.#runs;
  }

  /** Returns a piece that is full now, with the index of its first record; it is forgotten here. */
  add(run: SourceRun): { readonly runs: readonly SourceRun[]; readonly firstIndex: bigint } | undefined {
    const last = this.#runs.at(-1);
    this.#recordCount += BigInt(run.count);
    if (last !== undefined && continues(last, run)) {
      this.#runs[this.#runs.length - 1] = { ...last, count: last.count + run.count };
      return undefined;
    }
    const full = this.#runs.length === RUNS_PER_PIECE ? this.#runs : undefined;
    if (full !== undefined) this.#runs = [];
    this.#runs.push(run);
    this.#runCount += 1;
    if (full === undefined) return undefined;
    return { runs: full, firstIndex: this.#recordCount - BigInt(run.count) - countOf(full) };
  }
}

function continues(last: SourceRun, next: SourceRun): boolean {
  return (
    last.sourcePartition === next.sourcePartition &&
    last.firstSourceOffset + BigInt(last.count) === next.firstSourceOffset
  );
}

export function countOf(runs: readonly SourceRun[]): bigint {
  return runs.reduce((total, { count }) => total + BigInt(count), 0n);
}

/** Places runs behind one another, from `firstTargetOffset` on. */
export function* placed(runs: Iterable<SourceRun>, firstTargetOffset: bigint): Generator<OffsetRun> {
  let offset = firstTargetOffset;
  for (const run of runs) {
    yield { ...run, firstTargetOffset: offset };
    offset += BigInt(run.count);
  }
}

/** For JSON: one triple a run, `[source partition, first source offset, count]`. */
export function encodeRuns(runs: readonly SourceRun[]): unknown {
  return runs.map(({ sourcePartition, firstSourceOffset, count }) => [
    sourcePartition,
    firstSourceOffset.toString(),
    count,
  ]);
}

/** @throws the code of `fields` when the field is no list of triples. */
export function decodeRuns(fields: JsonFields, name: string): SourceRun[] {
  return fields.lists(name).map((triple) => {
    const [sourcePartition, firstSourceOffset, count] = triple;
    const isRun =
      typeof sourcePartition === 'number' &&
      typeof firstSourceOffset === 'string' &&
      /^\d{1,19}$/.test(firstSourceOffset) &&
      typeof count === 'number' &&
      Number.isSafeInteger(count);
    if (!isRun) throw new BackupError('OBJECT_CORRUPT', `${name} of an offset map holds something that is no run`);
    return { sourcePartition, firstSourceOffset: BigInt(firstSourceOffset), count };
  });
}
