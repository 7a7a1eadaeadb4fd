// One target partition held against what the backup makes of it, record by record. A restored record has one offset and no other:
// the start of the restore plus its place in the plan. So a record that is gone, or one too many, shows where it is, and what the
// target itself has taken away since (retention, compaction) is told from what is different.

import { createHash } from 'node:crypto';
import type { TopicPartition } from '../model/topic/topic-partition.ts';
import { splitBatches } from '../record/batch-header.ts';
import type { OffsetRun } from '../restore/judge/judge-task.ts';
import { BatchRecords, differenceOf } from './batch-records.ts';
import type { TargetReader } from './target-reader.ts';

/** The first record that is not as it should be. */
export interface RecordDifference {
  /** In the target. */
  readonly offset: bigint;
  readonly field: 'timestamp' | 'key' | 'value' | 'headers' | 'record';
  readonly sourcePartition: number | null;
  readonly sourceOffset: bigint | null;
  /** In words: sizes and hashes, never what was in a key or value. */
  readonly expected: string;
  readonly found: string;
}

export interface ComparedPartition extends TopicPartition {
  /** As the restore reported it. */
  readonly startOffset: bigint;
  readonly recordCount: number;
}

export class PartitionComparison {
  readonly target: ComparedPartition;
  /** Expected records so far. */
  expected = 0n;
  compared = 0;
  /** Records that retention or DeleteRecords took at the start of the log. */
  deleted = 0;
  /** Records that compaction took out of the middle. */
  absent = 0;
  difference: RecordDifference | undefined;
  readonly #reader: TargetReader;
  readonly #logEndOffset: bigint;
  /** Stands on the next record of the target that was not compared; undefined when its batch is used up. */
  #found: BatchRecords | undefined;
  #isAtEnd = false;

  constructor(target: ComparedPartition, reader: TargetReader, logEndOffset: bigint) {
    this.target = target;
    this.#reader = reader;
    this.#logEndOffset = logEndOffset;
  }

  /** Compares the next records of the plan. @throws what reading the target fails with, BATCH_CORRUPT. */
  async expect(batch: Uint8Array, sourcePartition: number, runs: readonly OffsetRun[]): Promise<void> {
    const sources = sourceOffsets(runs);
    for (const header of splitBatches(batch)) {
      const wanted = new BatchRecords(batch, header);
      while (this.difference === undefined && wanted.next()) {
        const offset = this.target.startOffset + this.expected;
        const sourceOffset = sources.next().value ?? null;
        this.expected += 1n;
        // Only where a batch is used up is there anything to wait for.
        if (!this.#isStanding()) await this.#read();
        this.#compare(wanted, offset, { sourcePartition, sourceOffset });
      }
    }
  }

  /** Call when the plan has no more for this partition. */
  finish(): void {
    const { startOffset, recordCount } = this.target;
    if (this.difference !== undefined || this.expected === BigInt(recordCount)) return;
    this.#differ(startOffset + this.expected, null, {
      expected: `${this.expected} records in all`,
      found: `${recordCount}, as the restore reported`,
    });
  }

  #isStanding(): boolean {
    return this.#found !== undefined || this.#isAtEnd;
  }

  async #read(): Promise<void> {
    for (;;) {
      const batch = await this.#reader.next();
      if (batch === undefined) {
        this.#isAtEnd = true;
        return;
      }
      const records = new BatchRecords(batch.bytes, batch.header);
      // A batch whose beginning lies before what is wanted, or that compaction has emptied.
      let isThere = records.next();
      while (isThere && records.offset < batch.fromOffset) isThere = records.next();
      if (!isThere) continue;
      this.#found = records;
      return;
    }
  }

  #compare(
    wanted: BatchRecords,
    offset: bigint,
    source: { readonly sourcePartition: number; readonly sourceOffset: bigint | null },
  ): void {
    const found = this.#found;
    if (found === undefined && offset >= this.#logEndOffset) {
      this.#differ(offset, source, { expected: 'a record', found: `the log ends at offset ${this.#logEndOffset}` });
    } else if (found === undefined || found.offset > offset) {
      if (offset < this.#reader.logStartOffset) this.deleted += 1;
      else this.absent += 1;
    } else if (found.isControl) {
      this.#differ(offset, source, { expected: 'a record', found: 'the end of a transaction' });
    } else {
      const difference = differenceOf(wanted, found);
      if (difference === undefined) {
        this.compared += 1;
        if (!found.next()) this.#found = undefined;
      } else {
        const [expected, there] = [textOf(difference.expected), textOf(difference.found)];
        this.#differ(offset, source, { field: difference.field, expected, found: there });
      }
    }
  }

  #differ(
    offset: bigint,
    source: { readonly sourcePartition: number; readonly sourceOffset: bigint | null } | null,
    what: Pick<RecordDifference, 'expected' | 'found'> & { readonly field?: RecordDifference['field'] },
  ): void {
    this.difference = { field: 'record', sourcePartition: null, sourceOffset: null, ...source, ...what, offset };
  }
}

function* sourceOffsets(runs: readonly OffsetRun[]): Generator<bigint, undefined> {
  for (const { firstSourceOffset, count } of runs) {
    for (let index = 0; index < count; index += 1) yield firstSourceOffset + BigInt(index);
  }
  return undefined;
}

function textOf(value: Uint8Array | string | null): string {
  if (value === null) return 'null';
  if (typeof value === 'string') return value;
  return `${value.byteLength} bytes, sha256 ${createHash('sha256').update(value).digest('hex').slice(0, 16)}`;
}
