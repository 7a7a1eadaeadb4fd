// What a validation finds wrong. Every problem is counted, the first thousand are kept in words, and none of them ends it.

import { BackupError, type ErrorCode } from '../model/errors.ts';

/** One thing that is not as it was written. `offset` is the first one concerned. */
export interface Problem {
  readonly code: ErrorCode;
  readonly message: string;
  /** Of the object. */
  readonly key: string;
  readonly topic?: string;
  readonly partition?: number;
  readonly offset?: bigint;
}

export type ProblemPlace = Omit<Problem, 'code' | 'message'>;

const MAX_KEPT = 1000;
/** Some stores hold every answer against its checksum, and so find what others leave to our own. */
const INTEGRITY: ReadonlySet<ErrorCode> = new Set([
  'CATALOG_CORRUPT',
  'OBJECT_CORRUPT',
  'OBJECT_MISSING',
  'BATCH_CORRUPT',
  'STORE_CHECKSUM_MISMATCH',
]);

export class ProblemList {
  /** In the order of finding. */
  readonly kept: Problem[] = [];
  #count = 0;

  get count(): number {
    return this.#count;
  }

  add(problem: Problem): void {
    this.#count += 1;
    if (this.kept.length < MAX_KEPT) this.kept.push(problem);
  }

  /** Adds what an integrity check threw, with `advice` behind its message. @throws everything else: a store that is away proves nothing about its objects. */
  addFailure(error: unknown, place: ProblemPlace, advice = ''): void {
    if (!(error instanceof BackupError) || !INTEGRITY.has(error.code)) throw error;
    const { code, message, context } = error;
    const offset = context.offset ?? place.offset;
    this.add({ code, message: `${message}${advice}`, ...place, ...(offset === undefined ? {} : { offset }) });
  }
}
