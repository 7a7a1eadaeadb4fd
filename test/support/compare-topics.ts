// Compares what Kafka's own consumer sees of two topics: partitions, counts and hashes. Where they differ, the first block
// of 1,000 records that differs is listed from both sides, so that the failure says which record it is.
import assert from 'node:assert/strict';
import type { DigestOptions, KafkaProbe, ListedRecord, PartitionDigest } from './kafka-probe.ts';

const BLOCK_RECORDS = 1000;
/** More is not listed when a window has to be looked for. */
const LISTED_RECORDS = 50_000;
const SHOWN_RECORDS = 3;
const SHOWN_BYTES = 40;

export interface TopicView {
  readonly probe: KafkaProbe;
  readonly topic: string;
  /** What of the topic counts; read_committed unless told. */
  readonly options?: DigestOptions;
}

/** The digests of a topic, read_committed unless told. */
export function digestOf({ probe, topic, options = {} }: TopicView): Promise<Map<number, PartitionDigest>> {
  return probe.digest(topic, { isolation: 'read_committed', ...options });
}

/**
 * Asserts that `restored` has the partitions, records and order of `source`.
 * @returns how many records were compared
 */
export async function assertSameRecords(source: TopicView, restored: TopicView): Promise<number> {
  return assertDigests(await digestOf(source), source, restored);
}

/** As {@link assertSameRecords}, with digests of the source that were taken before. */
export async function assertDigests(
  expected: ReadonlyMap<number, PartitionDigest>,
  source: TopicView,
  restored: TopicView,
): Promise<number> {
  const actual = await digestOf(restored);
  assert.deepEqual([...actual.keys()], [...expected.keys()], `partitions of ${restored.topic}`);
  let compared = 0;
  for (const [partition, wanted] of expected) {
    const found = actual.get(partition);
    if (found?.sha256 !== wanted.sha256 || found.recordCount !== wanted.recordCount) {
      assert.fail(await describeDifference(partition, wanted, found, source, restored));
    }
    compared += wanted.recordCount;
  }
  return compared;
}

/** Asserts that `target` holds what it held when its digests were taken, and behind that what `source` holds. */
export async function assertAppended(
  earlier: ReadonlyMap<number, PartitionDigest>,
  source: TopicView,
  target: TopicView,
): Promise<void> {
  const range = (limit: 'fromOffset' | 'endOffset') =>
    Object.fromEntries([...earlier].map(([partition, { endOffset }]) => [partition, { [limit]: endOffset }]));
  await assertDigests(earlier, target, { ...target, options: { offsets: range('endOffset') } });
  await assertSameRecords(source, { ...target, options: { offsets: range('fromOffset') } });
}

async function describeDifference(
  partition: number,
  wanted: PartitionDigest,
  found: PartitionDigest | undefined,
  source: TopicView,
  restored: TopicView,
): Promise<string> {
  const same = wanted.checkpoints.findIndex((hash, index) => hash !== found?.checkpoints[index]);
  const first = BLOCK_RECORDS * (same < 0 ? Math.min(wanted.checkpoints.length, found?.checkpoints.length ?? 0) : same);
  const head = `${restored.topic}-${partition} has ${found?.recordCount} records, ${source.topic}-${partition} has ${wanted.recordCount}`;
  const left = (await listed(source, partition, first).catch(() => [])).map(show);
  const right = (await listed(restored, partition, first).catch(() => [])).map(show);
  const length = Math.max(left.length, right.length);
  const at = Array.from({ length }, (_, index) => index).find((index) => left[index]?.same !== right[index]?.same);
  if (at === undefined) return `${head}; no difference was found in ${length} records from ordinal ${first}`;
  const lines = [left, right].map((side) =>
    side.slice(Math.max(0, at - 1), at + SHOWN_RECORDS).map(({ same: text, offset }) => `    ${offset}: ${text}`),
  );
  return [
    `${head}; the first difference is at ordinal ${first + at}`,
    `  ${source.topic}:`,
    ...(lines[0] ?? []),
    `  ${restored.topic}:`,
    ...(lines[1] ?? []),
  ].join('\n');
}

/** The block of records from ordinal `first` on, after windows and offsets. */
async function listed({ probe, topic, options = {} }: TopicView, partition: number, first: number) {
  const { fromTimestampMs = -Infinity, toTimestampMs = Infinity, cut, offsets, isolation = 'read_committed' } = options;
  const range = offsets?.[partition];
  const start = range?.fromOffset === undefined ? {} : { fromOffset: range.fromOffset };
  const isWindow = Number.isFinite(fromTimestampMs) || Number.isFinite(toTimestampMs);
  const limit = isWindow ? LISTED_RECORDS : first + BLOCK_RECORDS;
  let records = await probe.records(topic, partition, limit, { isolation, ...start });
  if (range?.endOffset !== undefined) records = records.filter(({ offset }) => offset < (range.endOffset ?? 0n));
  const past = cut === 'log' ? records.findIndex(({ timestampMs }) => timestampMs > toTimestampMs) : -1;
  if (past >= 0) records = records.slice(0, past);
  const inside = records.filter(
    ({ timestampMs }) => timestampMs >= fromTimestampMs && (cut === 'log' || timestampMs <= toTimestampMs),
  );
  return inside.slice(first, first + BLOCK_RECORDS);
}

function show({ offset, timestampMs, key, value, headers }: ListedRecord): { offset: bigint; same: string } {
  const list = headers.map((header) => `${header.key}=${bytes(header.value)}`).join(' ');
  return { offset, same: `${timestampMs} key ${bytes(key)} value ${bytes(value)} headers [${list}]` };
}

function bytes(value: Buffer | null): string {
  if (value === null) return 'null';
  const head = value
    .subarray(0, SHOWN_BYTES)
    .toString('latin1')
    .replace(/[^ -~]/g, '.');
  return value.byteLength > SHOWN_BYTES ? `${head}... (${value.byteLength} bytes)` : JSON.stringify(head);
}
