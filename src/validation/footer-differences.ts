// A footer held against the catalog, against itself, and against what its frames turned out to hold. Pure; every difference
// comes in words.

import type {
  CodecRun,
  FrameEntry,
  SegmentFooter,
  SegmentSummary,
  TransactionStart,
} from '../model/segment/segment.ts';
import type { FrameFacts } from '../segment/frame-facts.ts';
import { catalogDifferences } from '../segment/segment-reader.ts';

/** What the catalog and the footer do not agree on, and what of the footer contradicts itself. */
export function footerDifferences(footer: SegmentFooter, segment: SegmentSummary): string[] {
  const { description, bodySizeBytes, frames } = footer;
  const differences = catalogDifferences(footer, segment);
  const sums = {
    'record count': [sum(frames, ({ recordCount }) => recordCount), description.recordCount],
    'batch count': [sum(frames, ({ batchCount }) => batchCount), description.batchCount],
    'raw size': [sum(frames, ({ rawSizeBytes }) => rawSizeBytes), description.rawSizeBytes],
    'number of frames': [frames.length, description.frameCount],
    'stored size': [bodySizeBytes + segment.footerSizeBytes, segment.storedSizeBytes],
    'lowest timestamp': [lowestTimestamp(frames), description.minTimestampMs],
    'highest timestamp': [Math.max(...frames.map(({ maxTimestampMs }) => maxTimestampMs)), description.maxTimestampMs],
  };
  for (const [what, [found, said]] of Object.entries(sums)) {
    if (found !== said) differences.push(`the frames' ${what} is ${String(found)}, the footer says ${String(said)}`);
  }
  const [first, last] = [frames[0], frames.at(-1)];
  // The first batch may have been entered in its middle: it is stored whole.
  const isInside = first !== undefined && last !== undefined && first.lastOffset >= description.baseOffset;
  if (!isInside || last.lastOffset >= description.nextOffset) {
    differences.push(`its frames reach beyond ${description.baseOffset} to before ${description.nextOffset}`);
  }
  return differences;
}

function lowestTimestamp(frames: readonly FrameEntry[]): number | null {
  const minima = frames.map(({ minTimestampMs }) => minTimestampMs);
  return minima.includes(null) ? null : Math.min(...minima.map((minimum) => minimum ?? 0));
}

function sum(frames: readonly FrameEntry[], of: (frame: FrameEntry) => number): number {
  return frames.reduce((total, frame) => total + of(frame), 0);
}

/** What all frames of a segment, decoded, say otherwise than its footer. `facts` are in the order of the frames. */
export function factDifferences(
  { description, leaderEpochs, transactions, producerCodecs }: SegmentFooter,
  facts: readonly FrameFacts[],
): string[] {
  const differences: string[] = [];
  const expect = (what: string, found: unknown, said: unknown): void => {
    if (fingerprint(found) !== fingerprint(said))
      differences.push(`its batches hold other ${what} than the footer says`);
  };
  const epochs = runs(
    facts.flatMap((one) => one.leaderEpochs),
    ({ epoch }) => epoch,
  );
  const starts = facts.flatMap((one) => one.transactionStarts);
  const markers = facts.flatMap((one) => one.transactionMarkers);
  expect('leader epochs', epochs, leaderEpochs);
  expect('a last leader epoch', epochs.at(-1)?.epoch ?? -1, description.leaderEpoch);
  expect('transactions', comparable(starts, transactions.starts), transactions.starts);
  expect('transaction markers', markers, transactions.markers);
  expect('kinds of batches', starts.length > 0 || markers.length > 0, description.isTransactional);
  expect('timestamp types', timestampType(facts), description.timestampType);
  const codecs = facts.flatMap((one) => one.producerCodecs);
  if (!codecs.every((run) => isStoredAs(run, producerCodecs)))
    differences.push('its batches have other codecs than the footer says');
  return differences;
}

/** A batch is stored as its producer compressed it, or expanded. */
function isStoredAs({ baseOffset, codec }: CodecRun, said: readonly CodecRun[]): boolean {
  return codec === 'none' || said.findLast((run) => run.baseOffset <= baseOffset)?.codec === codec;
}

function timestampType(facts: readonly FrameFacts[]): string {
  const hasCreateTime = facts.some((one) => one.hasCreateTime);
  const hasLogAppendTime = facts.some((one) => one.hasLogAppendTime);
  if (hasCreateTime && hasLogAppendTime) return 'mixed';
  return hasLogAppendTime ? 'LogAppendTime' : 'CreateTime';
}

/** The first of each run of neighbours with the same value. */
function runs<T>(items: readonly T[], of: (item: T) => unknown): T[] {
  return items.filter((item, index) => {
    const before = items[index - 1];
    return before === undefined || of(before) !== of(item);
  });
}

/** Without counts, a footer names of each run only the first part: then that is looked for, and no more. */
function comparable(
  found: readonly TransactionStart[],
  said: readonly TransactionStart[],
): readonly TransactionStart[] {
  if (said.every(({ recordCount }) => recordCount !== null)) return found;
  const placeOf = ({ producerId, firstOffset }: TransactionStart): string => `${producerId} ${firstOffset}`;
  const places = new Set(said.map(placeOf));
  return found.filter((start) => places.has(placeOf(start))).map((start) => ({ ...start, recordCount: null }));
}

function fingerprint(value: unknown): string {
  return JSON.stringify(value, (_key, one: unknown) => (typeof one === 'bigint' ? `${one}n` : one));
}
