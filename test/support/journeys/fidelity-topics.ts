// Topics that hold all that a restore must hold: every producer codec, batch shape, transaction and odd record. They are written
// once by a test and then looked at on whatever store; each function fills topics of fixed names, of its own producers, so that
// all may run at the same time.
import assert from 'node:assert/strict';
import { setTimeout as sleep } from 'node:timers/promises';
import type { Codec, KafkaProbe, RecordToSend } from '../kafka-probe.ts';

export const CODECS: readonly Codec[] = ['none', 'gzip', 'snappy', 'lz4', 'zstd'];
export const CODEC_TOPICS = CODECS.map((codec) => `codec-${codec}`);
/** Timestamp of the first records. */
export const T0 = 1_700_000_000_000;
const MIB = 1024 * 1024;
const CLEANER_TIMEOUT_MS = 30_000;
/** Kafka's largest. */
export const FOREVER_MS = '9223372036854775807';

/** Everything that null, empty, order and repetition can get wrong. */
export const ODD_RECORDS: readonly RecordToSend[] = [
  { key: 'k', value: 'v', timestampMs: T0 },
  { key: 'k', value: '', timestampMs: T0 + 1 },
  { key: 'k', value: null, timestampMs: T0 + 2 },
  { key: null, value: 'no key', timestampMs: T0 + 3 },
  { key: '', value: 'empty key', timestampMs: T0 + 4 },
  { key: '', value: '', timestampMs: T0 + 5 },
  { key: null, value: null, timestampMs: T0 + 6 },
  {
    key: 'headers',
    value: Buffer.from([0, 255, 128, 10]),
    timestampMs: T0 + 7,
    headers: [
      { key: 'b', value: '1' },
      { key: 'a', value: null },
      { key: 'b', value: '2' },
      { key: '10', value: '' },
      { key: '2', value: Buffer.from([255, 254, 0]) },
      { key: 'a', value: 'last' },
      { key: '', value: 'empty name' },
    ],
  },
  { key: 'before 1970', value: 'v', timestampMs: 0 },
];

/** `count` records with keys, and values of about `valueBytes`. */
function numbered(name: string, from: number, count: number, valueBytes = 20): RecordToSend[] {
  return Array.from({ length: count }, (_, index) => ({
    key: `${name} ${from + index}`,
    value: `${name} ${from + index} `.padEnd(valueBytes, '.'),
    timestampMs: T0 + from + index,
  }));
}

/** {@link CODEC_TOPICS}: 4,000 records each. */
export async function fillCodecs(probe: KafkaProbe): Promise<void> {
  for (const codec of CODECS) {
    await probe.createTopic(`codec-${codec}`, { partitions: 2 });
    await probe.produce(`codec-${codec}`, { records: 4000, codec, keys: 100, headers: true });
  }
}

/** `mixed`: one batch per codec and call, with odd records between. @returns how many records it holds */
export async function fillMixed(probe: KafkaProbe): Promise<number> {
  await probe.createTopic('mixed', { partitions: 2 });
  let firstIndex = 0;
  for (const codec of [...CODECS, ...CODECS]) {
    await probe.produce('mixed', { records: 800, firstIndex, codec, keys: 50, headers: true, lingerMs: 20 });
    firstIndex += 800;
    await probe.produceRecords('mixed', 0, ODD_RECORDS, { codec });
  }
  return firstIndex + 10 * ODD_RECORDS.length;
}

/**
 * `transactions`: committed and aborted ones that interleave, of the same producers; the one of handle `open` is left open, and
 * what consumers see behind it they see when it has ended.
 * @returns how many records a consumer sees when it was aborted; 240 belong to aborted ones, 40 to the open one
 */
export async function fillTransactions(probe: KafkaProbe): Promise<number> {
  await probe.createTopic('transactions', { partitions: 2 });
  const send = (handle: string, from: number, count = 40): Promise<bigint[]> =>
    probe.txSend(handle, 'transactions', 0, numbered(handle, from, count));
  await probe.produceRecords('transactions', 0, numbered('plain', 0, 20));
  await probe.txBegin('kept');
  await probe.txBegin('undone');
  for (let round = 0; round < 5; round += 1) {
    await send('kept', round * 40);
    await send('undone', round * 40);
    await probe.produceRecords('transactions', 0, numbered('between', round * 5, 5));
  }
  await probe.txAbort('undone');
  await probe.txCommit('kept');
  // The same producers again, with the outcomes exchanged.
  await probe.txBegin('kept');
  await probe.txBegin('undone');
  await send('undone', 500);
  await send('kept', 500);
  await probe.txAbort('kept');
  await probe.txCommit('undone');
  await probe.txBegin('open');
  await send('open', 0);
  await probe.produceRecords('transactions', 0, numbered('after the open one', 0, 10));
  await probe.produceRecords('transactions', 1, numbered('other partition', 0, 10), { transactionalId: 'single' });
  return 20 + 200 + 25 + 40 + 10 + 10;
}

/** `spanning`: a committed transaction of 240 records over some 120 KB, and an aborted one between. */
export async function fillSpanning(probe: KafkaProbe): Promise<void> {
  await probe.createTopic('spanning');
  await probe.txBegin('long');
  await probe.txBegin('long undone');
  for (let round = 0; round < 12; round += 1) {
    await probe.txSend('long', 'spanning', 0, numbered('long', round * 20, 20, 500));
    await probe.txSend('long undone', 'spanning', 0, numbered('undone', round * 20, 20, 500));
  }
  await probe.txAbort('long undone');
  await probe.txCommit('long');
}

/** `compacted`: with holes and tombstones. */
export function fillCompacted(probe: KafkaProbe): Promise<void> {
  return compact(probe, 'compacted', { 'delete.retention.ms': 86_400_000 });
}

/** `compacted-transactions`: committed records whose markers compaction has removed, all but some of 60. */
export function fillCompactedTransactions(probe: KafkaProbe): Promise<void> {
  const topic = 'compacted-transactions';
  return compact(probe, topic, { 'delete.retention.ms': 0 }, async (round) => {
    const timestampMs = T0 + round * 10_000;
    const committed = [{ key: `transactional ${round}`, value: 'committed', timestampMs }];
    await probe.produceRecords(topic, 0, committed, { transactionalId: `writer ${round % 3}` });
    const aborted = [{ key: 'aborted', value: `${round}`, timestampMs }];
    await probe.produceRecords(topic, 0, aborted, { transactionalId: 'writer undone', outcome: 'abort' });
  });
}

/** `nanoseconds-compacted`: with holes, in batches of which one record's timestamp is beyond what a number holds. */
export function fillCompactedNanoseconds(probe: KafkaProbe): Promise<void> {
  const topic = 'nanoseconds-compacted';
  return compact(probe, topic, { 'message.timestamp.after.max.ms': FOREVER_MS }, async (round) => {
    const timestampMs = T0 + round * 10_000;
    await probe.produceRecords(topic, 0, [
      { key: `plain ${round % 9}`, value: `${round}`, timestampMs },
      { key: `nanoseconds ${round % 7}`, value: `${round}`, timestampMs: BigInt(timestampMs) * 1_000_000n + 123_457n },
      { key: `later ${round % 5}`, value: `${round}`, timestampMs: timestampMs + 1000 },
    ]);
  });
}

/** Fills a compacted topic, waits until the cleaner has left holes, and stops it there. */
async function compact(
  probe: KafkaProbe,
  topic: string,
  config: Readonly<Record<string, number | string>>,
  alsoWrite: (round: number) => Promise<void> = async () => {},
): Promise<void> {
  const small = { 'segment.ms': 1000, 'min.cleanable.dirty.ratio': 0.01, 'max.compaction.lag.ms': 1 };
  await probe.createTopic(topic, { config: { 'cleanup.policy': 'compact', ...small, ...config } });
  let written = 0;
  for (let round = 0; round < 30; round += 1) {
    const records = Array.from({ length: 40 }, (_, index) => ({
      key: `key ${(index * 7 + round) % 60}`,
      value: index % 9 === 0 ? null : `round ${round} ${'x'.repeat(50)}`,
      // Ten seconds further on in each round: that rolls the log segment.
      timestampMs: T0 + round * 10_000,
    }));
    await probe.produceRecords(topic, 0, records, { codec: CODECS[round % CODECS.length]! });
    await alsoWrite(round);
    written += records.length;
  }
  const deadline = Date.now() + CLEANER_TIMEOUT_MS;
  for (let left = written; left > written / 4; ) {
    assert.ok(Date.now() < deadline, `the cleaner ran (${left} of ${written} records are left)`);
    await sleep(200);
    left = (await probe.records(topic, 0, written * 2)).filter(
      ({ value }) => value === null || value.length > 0,
    ).length;
  }
  // From here on the cleaner leaves it as it is: what is compared later is what was backed up.
  await probe.alterTopicConfig(topic, { 'min.cleanable.dirty.ratio': 1, 'max.compaction.lag.ms': null });
  const offsets = (await probe.records(topic, 0)).map(({ offset }) => offset);
  assert.ok(
    offsets.some((offset, index) => index > 0 && offset > offsets[index - 1]! + 1n),
    'compaction left holes',
  );
}

/** `small-batches`: 20,000 of one record each. */
export async function fillSmallBatches(probe: KafkaProbe): Promise<void> {
  await probe.createTopic('small-batches', { partitions: 2 });
  await probe.produce('small-batches', { records: 20_000, valueBytes: 20, batchSize: 1, keys: 10 });
}

/** `sizes`: records of 0 bytes and of 9 MB. @returns how many */
export async function fillSizes(probe: KafkaProbe): Promise<number> {
  await probe.createTopic('sizes', { config: { 'max.message.bytes': 12 * MIB } });
  await probe.produceRecords('sizes', 0, ODD_RECORDS);
  await probe.produceRecords('sizes', 0, ODD_RECORDS, { oneBatchPerRecord: true });
  for (const codec of ['none', 'zstd'] as const) {
    const value = Buffer.alloc(9_000_000, `${codec} ${'abcdefgh'.repeat(37)}`);
    await probe.produceRecords('sizes', 0, [{ key: codec, value, timestampMs: T0 + 20 }], { codec });
    await probe.produceRecords('sizes', 0, ODD_RECORDS, { codec });
  }
  return 4 * ODD_RECORDS.length + 2;
}

/** `appended`: batches with the broker's time, around one with the producer's. */
export async function fillAppended(probe: KafkaProbe): Promise<void> {
  await probe.createTopic('appended', { config: { 'message.timestamp.type': 'LogAppendTime' } });
  for (const codec of CODECS) await probe.produceRecords('appended', 0, numbered(codec, 0, 50), { codec });
  await probe.alterTopicConfig('appended', { 'message.timestamp.type': 'CreateTime' });
  await probe.produceRecords('appended', 0, numbered('created', 0, 50));
  await probe.alterTopicConfig('appended', { 'message.timestamp.type': 'LogAppendTime' });
}

/** `disorder`: timestamps out of order, old ones and ones far ahead. */
export async function fillDisorder(probe: KafkaProbe): Promise<void> {
  await probe.createTopic('disorder', {
    config: { 'message.timestamp.after.max.ms': FOREVER_MS, 'retention.ms': -1 },
  });
  const times = [T0 + 500, T0, T0 + 1000, 0, 1, T0 - 1, Date.now() + 86_400_000 * 30, T0 + 1, T0 + 999];
  for (const codec of CODECS) {
    const records = times.map((timestampMs, index) => ({ key: `${index}`, value: codec, timestampMs }));
    await probe.produceRecords('disorder', 0, records, { codec });
    await probe.produceRecords('disorder', 0, records.toReversed(), { codec });
  }
}

/** `partly-empty`, with records in 3 of its 7 partitions, and `empty`, of 3. */
export async function fillPartlyEmpty(probe: KafkaProbe): Promise<void> {
  await probe.createTopic('partly-empty', { partitions: 7 });
  await probe.produce('partly-empty', { records: 3000, partitions: [1, 2, 5] });
  await probe.createTopic('empty', { partitions: 3 });
}

/** `configured`: with a configuration of its own, and records of yesterday. */
export async function fillConfigured(probe: KafkaProbe): Promise<void> {
  const config = {
    'cleanup.policy': 'compact,delete',
    'retention.ms': 31_536_000_000_000,
    'max.message.bytes': 2_000_000,
    'segment.bytes': 20 * MIB,
    'min.compaction.lag.ms': 3_600_000,
  };
  await probe.createTopic('configured', { partitions: 2, config });
  await probe.produce('configured', { records: 500, keys: 20, startTimestampMs: Date.now() - 86_400_000 });
}

/** All topics of this file, at the same time. @returns their names */
export async function fillFidelityTopics(probe: KafkaProbe): Promise<string[]> {
  const fills = [fillCodecs, fillMixed, fillTransactions, fillSpanning, fillCompacted, fillCompactedTransactions];
  const more = [fillSmallBatches, fillSizes, fillAppended, fillDisorder, fillPartlyEmpty, fillConfigured];
  await Promise.all([...fills, ...more].map((fill) => fill(probe)));
  const compacted = ['compacted', 'compacted-transactions'];
  const odd = ['small-batches', 'sizes', 'appended', 'disorder', 'partly-empty', 'empty', 'configured'];
  return [...CODEC_TOPICS, 'mixed', 'transactions', 'spanning', ...compacted, ...odd];
}
