// What an import counts. A partition counts by itself and adds when something is committed, so that what is read twice because of a
// damaged file behind it is counted once.

export interface ImportCounters {
  /** Files of the peer that were imported. */
  files: number;
  /** Files that hold nothing beyond what was imported before. */
  skippedFiles: number;
  /** Files that hold offsets which are gaps since an earlier import. */
  filesInGaps: number;
  /** Those offsets. */
  offsetsInGaps: bigint;
  records: number;
  /** Of the record batches, before compression. */
  rawBytes: number;
  storedBytes: number;
  segments: number;
  gaps: number;
  gapOffsets: bigint;
  /** Gaps that the peer does not tell of: offsets between two files, or of a damaged one. */
  undeclaredGaps: number;
  /** Records that a file repeats of a file before it; taken once. */
  repeatedRecords: number;
  /** Records with headers that the peer added. */
  recordsWithAddedHeaders: number;
  /** Records that look like the end of a transaction. */
  markers: number;
}

export function newCounters(): ImportCounters {
  return {
    files: 0,
    skippedFiles: 0,
    filesInGaps: 0,
    offsetsInGaps: 0n,
    records: 0,
    rawBytes: 0,
    storedBytes: 0,
    segments: 0,
    gaps: 0,
    gapOffsets: 0n,
    undeclaredGaps: 0,
    repeatedRecords: 0,
    recordsWithAddedHeaders: 0,
    markers: 0,
  };
}

/** Adds `more` to `total`. */
export function addCounters(total: ImportCounters, more: Readonly<ImportCounters>): void {
  const { gapOffsets, offsetsInGaps, ...numbers } = more;
  for (const name of Object.keys(numbers) as (keyof typeof numbers)[]) total[name] += numbers[name];
  total.gapOffsets += gapOffsets;
  total.offsetsInGaps += offsetsInGaps;
}
