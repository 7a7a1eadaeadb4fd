// The test harness judged by itself: the broker starts, dies and returns, the probe writes what it is told, and its
// digest sees every difference that a restore could make. A judge that cannot fail is a defect.
import assert from 'node:assert/strict';
import { copyFile, mkdtemp, open, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, before, describe, it } from 'node:test';
import { setTimeout as sleep } from 'node:timers/promises';
import { type KafkaBroker, startKafka } from '../support/kafka-broker.ts';
import { type Codec, KafkaProbe, type RecordToSend } from '../support/kafka-probe.ts';

const CODECS: readonly Codec[] = ['none', 'gzip', 'snappy', 'lz4', 'zstd'];
const T0 = 1_700_000_000_000;
/** Longer than the broker's `broker.session.timeout.ms`. */
const SESSION_ENDED_MS = 3000;

/** Five records that hold everything a copy could get wrong. */
const ORIGINAL: readonly RecordToSend[] = [
  { key: 'a', value: 'first', timestampMs: T0 },
  {
    key: 'b',
    value: Buffer.from([0, 255, 1]),
    timestampMs: T0 + 5,
    headers: [
      { key: 'h', value: '1' },
      { key: 'h', value: '2' },
      { key: 'none', value: null },
      { key: 'empty', value: '' },
    ],
  },
  { key: null, value: 'no key', timestampMs: T0 + 3 },
  { key: 'tombstone', value: null, timestampMs: T0 + 9 },
  { key: '', value: '', timestampMs: T0 + 10 },
];

/** Each mutation is one way in which a copy can differ from its original. */
const MUTATIONS: Readonly<Record<string, (records: RecordToSend[]) => void>> = {
  'the first record is dropped': (records) => void records.shift(),
  'a record in the middle is dropped': (records) => void records.splice(2, 1),
  'the last record is dropped': (records) => void records.pop(),
  'a record is there twice': (records) => void records.splice(1, 0, { ...ORIGINAL[1] }),
  'two records are swapped': (records) => void records.splice(0, 2, { ...ORIGINAL[1] }, { ...ORIGINAL[0] }),
  'a key is changed': (records) => change(records, 0, { key: 'A' }),
  'a byte of a value is changed': (records) => change(records, 1, { value: Buffer.from([0, 254, 1]) }),
  'a null key becomes empty': (records) => change(records, 2, { key: '' }),
  'a null value becomes empty': (records) => change(records, 3, { value: '' }),
  'an empty value becomes null': (records) => change(records, 4, { value: null }),
  'a byte moves from value to key': (records) => change(records, 0, { key: 'af', value: 'irst' }),
  'two headers are swapped': (records) => headers(records, ([first, second, ...rest]) => [second!, first!, ...rest]),
  'a duplicate header is dropped': (records) => headers(records, ([first, , ...rest]) => [first!, ...rest]),
  'a null header becomes empty': (records) =>
    headers(records, (list) => list.map(({ key, value }) => ({ key, value: value ?? '' }))),
  'a header is added': (records) => change(records, 0, { headers: [{ key: 'x-original-offset', value: '0' }] }),
  'a timestamp is one millisecond later': (records) => change(records, 4, { timestampMs: T0 + 11 }),
};

describe('the Kafka test harness', { timeout: 120_000 }, () => {
  let broker: KafkaBroker;
  let probe: KafkaProbe;

  before(async () => {
    broker = await startKafka();
    probe = await KafkaProbe.start(broker.bootstrap);
  });

  after(async () => {
    await probe?.stop();
    await broker?.stop();
  });

  async function digestOf(topic: string, records: readonly RecordToSend[]): Promise<string> {
    await probe.createTopic(topic);
    await probe.produceRecords(topic, 0, records);
    return (await probe.digest(topic)).get(0)!.sha256;
  }

  it('counts what is fetched from the broker, by anybody', async () => {
    await probe.createTopic('fetched');
    await probe.produceRecords('fetched', 0, [{ value: 'once' }]);
    const before = await broker.fetchRequests();
    assert.equal(await broker.fetchRequests(), before);
    await probe.digest('fetched');
    assert.ok((await broker.fetchRequests()) > before);
  });

  it('creates, describes, changes and deletes topics', async () => {
    const topicId = await probe.createTopic('described', { partitions: 2, config: { 'cleanup.policy': 'compact' } });
    await probe.alterTopicConfig('described', { 'retention.ms': 1000, 'cleanup.policy': null });
    await probe.addPartitions('described', 3);
    const expected = {
      topicId,
      partitions: 3,
      replicationFactor: 1,
      leaders: [1, 1, 1],
      configs: { 'retention.ms': '1000' },
    };
    assert.deepEqual(await probe.describeTopic('described'), expected);
    await probe.deleteTopic('described');
    await assert.rejects(async () => {
      for (let attempt = 0; attempt < 50; attempt++) await probe.describeTopic('described');
    }, /UnknownTopicOrPartition/);
  });

  it('makes the same records from the same seed with every codec', async () => {
    const spec = { records: 5000, seed: 7, keys: 100, headers: true };
    const digests = await Promise.all(
      CODECS.map(async (codec) => {
        await probe.createTopic(`codec-${codec}`, { partitions: 2 });
        const produced = await probe.produce(`codec-${codec}`, { ...spec, codec });
        const digest = await probe.digest(`codec-${codec}`);
        const counts = [...digest].map(([partition, { recordCount }]): [number, number] => [partition, recordCount]);
        assert.deepEqual(new Map(counts), new Map(produced.recordsByPartition));
        return [...digest.values()].map(({ sha256, checkpoints }) => ({ sha256, checkpoints }));
      }),
    );
    for (const digest of digests) assert.deepEqual(digest, digests[0]);
    await probe.createTopic('other-seed', { partitions: 2 });
    await probe.produce('other-seed', { ...spec, seed: 8 });
    assert.notEqual((await probe.digest('other-seed')).get(0)?.sha256, digests[0]?.[0]?.sha256);
  });

  it('mixes codecs in one partition, and Kafka finds the segment valid', async () => {
    await probe.createTopic('mixed');
    for (const codec of CODECS) await probe.produceRecords('mixed', 0, ORIGINAL, { codec });
    await probe.produceRecords('mixed', 0, ORIGINAL, { oneBatchPerRecord: true });
    const segment = join(broker.logDir, 'mixed-0', '00000000000000000000.log');
    const { tail, ...found } = await probe.dumpLogSegments(segment);
    const expected = { batches: 10, records: 30, firstOffset: 0n, lastOffset: 29n, isValid: true, errors: [] };
    assert.deepEqual(found, { ...expected, batchesByCodec: { none: 6, gzip: 1, snappy: 1, lz4: 1, zstd: 1 } });
    assert.match(tail, /offset: 29 /);
  });

  it('finds a damaged segment invalid', async () => {
    await probe.createTopic('damaged');
    await probe.produceRecords('damaged', 0, ORIGINAL);
    const directory = await mkdtemp(join(tmpdir(), 'kafka-backup-dump-'));
    try {
      const copy = join(directory, '00000000000000000000.log');
      await copyFile(join(broker.logDir, 'damaged-0', '00000000000000000000.log'), copy);
      const file = await open(copy, 'r+');
      await file.write(Buffer.from([0x7f]), 0, 1, 70);
      await file.close();
      assert.equal((await probe.dumpLogSegments(copy)).isValid, false);
    } finally {
      await rm(directory, { recursive: true });
    }
  });

  it('keeps keys, values and headers byte for byte', async () => {
    await probe.createTopic('exact');
    assert.deepEqual(await probe.produceRecords('exact', 0, ORIGINAL), [0n, 1n, 2n, 3n, 4n]);
    const listed = await probe.records('exact', 0);
    const bytes = (text: Uint8Array | string | null | undefined) => (text == null ? null : Buffer.from(text as string));
    const sent = ORIGINAL.map(({ key, value, timestampMs, headers: list = [] }) => ({
      key: bytes(key),
      value: bytes(value),
      timestampMs,
      headers: list.map((header) => ({ key: header.key, value: bytes(header.value) })),
    }));
    const seen = listed.map(({ key, value, timestampMs, headers: list }) => ({
      key,
      value,
      timestampMs,
      headers: list,
    }));
    assert.deepEqual(seen, sent);
  });

  it('gives equal topics equal digests, and every mutation another one', async () => {
    const original = await digestOf('original', ORIGINAL);
    assert.equal(await digestOf('copy', ORIGINAL), original);
    const missed: string[] = [];
    for (const [index, [name, mutate]] of Object.entries(MUTATIONS).entries()) {
      const records = ORIGINAL.map((record) => ({ ...record }));
      mutate(records);
      if ((await digestOf(`mutation-${index}`, records)) === original) missed.push(name);
    }
    assert.deepEqual(missed, []);
  });

  it('reads committed records past aborted and open transactions and trailing markers', async () => {
    await probe.createTopic('transactions');
    const one = (value: string): RecordToSend[] => [{ value, timestampMs: T0 }];
    await probe.produceRecords('transactions', 0, one('committed'), { transactionalId: 'tx-1' });
    await probe.produceRecords('transactions', 0, one('aborted'), { transactionalId: 'tx-2', outcome: 'abort' });
    await probe.txBegin('left');
    await probe.txBegin('right');
    await probe.txSend('left', 'transactions', 0, one('left'));
    await probe.txSend('right', 'transactions', 0, one('right'));
    await probe.txCommit('right');
    await probe.txAbort('left');
    const expected = await digestOf('expected', [...one('committed'), ...one('right')]);
    const committed = (await probe.digest('transactions', { isolation: 'read_committed' })).get(0)!;
    assert.deepEqual([committed.sha256, committed.recordCount, committed.endOffset], [expected, 2, 8n]);
    assert.equal((await probe.digest('transactions')).get(0)?.recordCount, 4);

    await probe.produceRecords('transactions', 0, one('open'), { transactionalId: 'tx-3', outcome: 'open' });
    const again = (await probe.digest('transactions', { isolation: 'read_committed' })).get(0)!;
    assert.deepEqual([again.sha256, again.endOffset], [expected, 8n]);
    assert.equal((await probe.endOffsets('transactions')).get(0), 9n);
    assert.ok((await probe.closeOpen()) >= 3);
  });

  it('digests a window of time, a prefix of the log, and a range of offsets', async () => {
    await probe.createTopic('windowed');
    await probe.produceRecords('windowed', 0, ORIGINAL);
    const count = async (options: object) => (await probe.digest('windowed', options)).get(0)?.recordCount;
    assert.equal(await count({ toTimestampMs: T0 + 3 }), 2);
    assert.equal(await count({ toTimestampMs: T0 + 3, cut: 'log' }), 1);
    assert.equal(await count({ fromTimestampMs: T0 + 5, toTimestampMs: T0 + 9 }), 2);
    assert.equal(await count({ offsets: { 0: { fromOffset: 1n, endOffset: 4n } } }), 3);
    await probe.deleteRecords('windowed', 0, 2n);
    assert.equal((await probe.beginningOffsets('windowed')).get(0), 2n);
    assert.equal(await count({}), 3);
  });

  it('chooses partitions as the Java client does', async () => {
    // Published vectors of Kafka's murmur2: "21" -> -973932308, "foobar" -> -790332482
    assert.deepEqual(await probe.keyPartition(['21', 'foobar'], 1000), [1_173_551_340 % 1000, 1_357_151_166 % 1000]);
  });

  it('adds a second broker to the cluster', async () => {
    const second = await startKafka({ joins: { broker, nodeId: 2 } });
    try {
      await probe.createTopic('replicated', { partitions: 2, replicationFactor: 2 });
      await probe.produceRecords('replicated', 1, ORIGINAL);
      assert.equal((await probe.describeTopic('replicated')).replicationFactor, 2);
      assert.equal((await probe.digest('replicated')).get(1)?.recordCount, ORIGINAL.length);
      await probe.deleteTopic('replicated');
    } finally {
      await second.stop();
      // Until its session has ended, new topics are still placed on it.
      await sleep(SESSION_ENDED_MS);
    }
  });

  it('returns after kill -9 and after a restart in good order with its records', async () => {
    await probe.createTopic('survivor');
    await probe.produceRecords('survivor', 0, ORIGINAL);
    const before = (await probe.digest('survivor')).get(0)?.sha256;
    await broker.kill9();
    assert.throws(() => broker.pid, /is down/);
    await broker.restart();
    assert.equal((await probe.digest('survivor')).get(0)?.sha256, before);
    await broker.restart();
    assert.equal((await probe.digest('survivor')).get(0)?.sha256, before);
  });
});

function change(records: RecordToSend[], index: number, fields: RecordToSend): void {
  records[index] = { ...records[index], ...fields };
}

type Headers = NonNullable<RecordToSend['headers']>;

function headers(records: RecordToSend[], edit: (list: Headers) => Headers): void {
  change(records, 1, { headers: edit(records[1]?.headers ?? []) });
}
