// A restored topic is what a read_committed consumer saw at the source: every codec, batch shape, transaction and odd record.
// The agent runs as its users run it; Kafka's own consumer compares source and target by count and hash.
import assert from 'node:assert/strict';
import { after, before, describe, it } from 'node:test';
import { setTimeout as sleep } from 'node:timers/promises';
import { assertExit, droppedRecords, onlyIncarnation, restoredRecords } from '../support/agent-workspace.ts';
import { assertSameRecords } from '../support/compare-topics.ts';
import { startKafka } from '../support/kafka-broker.ts';
import { type Codec, KafkaProbe, type RecordToSend } from '../support/kafka-probe.ts';
import { SystemFixture } from '../support/system-fixture.ts';

const CODECS: readonly Codec[] = ['none', 'gzip', 'snappy', 'lz4', 'zstd'];
const T0 = 1_700_000_000_000;
const MIB = 1024 * 1024;
const CLEANER_TIMEOUT_MS = 30_000;

/** Everything that null, empty, order and repetition can get wrong. */
const ODD_RECORDS: readonly RecordToSend[] = [
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

describe('a restored topic', { timeout: 240_000 }, () => {
  let system: SystemFixture;
  let probe: KafkaProbe;

  before(async () => {
    system = await SystemFixture.start();
    ({ probe } = system);
  });

  after(() => system?.stop());

  /** One batch per codec and call, with odd records between. */
  async function blend(topic: string, partitions: number): Promise<void> {
    await probe.createTopic(topic, { partitions });
    let firstIndex = 0;
    for (const codec of [...CODECS, ...CODECS]) {
      await probe.produce(topic, { records: 800, firstIndex, codec, keys: 50, headers: true, lingerMs: 20 });
      firstIndex += 800;
      await probe.produceRecords(topic, 0, ODD_RECORDS, { codec });
    }
  }

  it('holds what producers with each codec wrote', async () => {
    const names = CODECS.map((codec) => `codec-${codec}`);
    for (const codec of CODECS) {
      await probe.createTopic(`codec-${codec}`, { partitions: 2 });
      await probe.produce(`codec-${codec}`, { records: 4000, codec, keys: 100, headers: true });
    }
    assertExit(await system.workspace.backup({ backupId: 'codecs', topics: ['codec-*'] }), 0);
    const topics = Object.fromEntries(names.map((name) => [name, `${name}-restored`]));
    assertExit(await system.workspace.restore({ backupId: 'codecs', topics }), 0);
    for (const topic of names) {
      const compared = await assertSameRecords({ probe, topic }, { probe, topic: `${topic}-restored` });
      assert.equal(compared, 4000);
    }
  });

  it('holds mixed codecs of one partition with every backup codec and way to recompress', async () => {
    await blend('mixed', 2);
    for (const compression of ['zstd', 'lz4', 'none']) {
      for (const recompress of ['auto', 'always', 'never']) {
        const backup = { compression, recompress, frame_bytes: '256KiB' };
        const { recordsCompared } = await system.roundTrip('mixed', {
          backup,
          target: `mixed-${compression}-${recompress}`,
        });
        assert.equal(recordsCompared, 8000 + 10 * ODD_RECORDS.length);
      }
    }
  });

  it('holds the same records with each codec that a restore can write', async () => {
    for (const compression of CODECS) {
      await system.roundTrip('mixed', { restore: { compression }, target: `mixed-as-${compression}` });
    }
  });

  it('holds the records of committed transactions and neither those of aborted nor of open ones', async () => {
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
    const { summary, recordsCompared } = await system.roundTrip('transactions', {
      // What a consumer sees beyond the open transaction, it sees when that one is undone.
      between: () => probe.txAbort('open'),
    });
    assert.equal(recordsCompared, 20 + 200 + 25 + 40 + 10 + 10);
    const { 'control-batch': markers = 0, ...records } = droppedRecords(summary);
    assert.deepEqual(records, { 'aborted-transaction': 240, 'undecided-transaction': 40 });
    assert.equal(markers, 5);
  });

  it('holds a transaction that spans segments, and drops an aborted one that does', async () => {
    await probe.createTopic('spanning');
    await probe.txBegin('long');
    await probe.txBegin('long undone');
    for (let round = 0; round < 12; round += 1) {
      await probe.txSend('long', 'spanning', 0, numbered('long', round * 20, 20, 500));
      await probe.txSend('long undone', 'spanning', 0, numbered('undone', round * 20, 20, 500));
    }
    await probe.txAbort('long undone');
    await probe.txCommit('long');
    const backup = { segment_max_bytes: '32KiB', frame_bytes: '16KiB' };
    const { backupId, recordsCompared } = await system.roundTrip('spanning', { backup });
    assert.equal(recordsCompared, 240);
    const life = onlyIncarnation(await system.workspace.catalog(backupId), 'spanning');
    assert.ok((life.partitions.get(0)?.segments.length ?? 0) >= 5, 'the transactions span segments');
  });

  it('holds a compacted topic with its holes and tombstones', async () => {
    await compact('compacted', { 'delete.retention.ms': 86_400_000 });
    const { recordsCompared } = await system.roundTrip('compacted', {
      backup: { segment_max_bytes: '16KiB', frame_bytes: '4KiB' },
    });
    assert.ok(recordsCompared > 0);
    const description = await probe.describeTopic('compacted-restored');
    assert.equal(description.configs['cleanup.policy'], 'compact');
  });

  it('holds committed transactions whose markers compaction has removed', async () => {
    await compact('compacted-transactions', { 'delete.retention.ms': 0 }, async (round) => {
      await probe.produceRecords(
        'compacted-transactions',
        0,
        [{ key: `transactional ${round}`, value: 'committed', timestampMs: T0 + round * 10_000 }],
        { transactionalId: `writer ${round % 3}` },
      );
      const aborted = [{ key: 'aborted', value: `${round}`, timestampMs: T0 + round * 10_000 }];
      await probe.produceRecords('compacted-transactions', 0, aborted, { transactionalId: 'undone', outcome: 'abort' });
    });
    const { summary } = await system.roundTrip('compacted-transactions');
    const { 'control-batch': markers = 0 } = droppedRecords(summary);
    assert.ok(markers < 60, `${markers} of 60 markers are left`);
  });

  /** Fills a compacted topic and waits until the cleaner has left holes. */
  async function compact(
    topic: string,
    config: Readonly<Record<string, number>>,
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
    const offsets = (await probe.records(topic, 0)).map(({ offset }) => offset);
    assert.ok(
      offsets.some((offset, index) => index > 0 && offset > offsets[index - 1]! + 1n),
      'compaction left holes',
    );
  }

  it('holds 20,000 batches of one record', async () => {
    await probe.createTopic('small-batches', { partitions: 2 });
    await probe.produce('small-batches', { records: 20_000, valueBytes: 20, batchSize: 1, keys: 10 });
    const { recordsCompared } = await system.roundTrip('small-batches');
    assert.equal(recordsCompared, 20_000);
  });

  it('holds records of 0 bytes and of 9 MB', async () => {
    await probe.createTopic('sizes', { config: { 'max.message.bytes': 12 * MIB } });
    await probe.produceRecords('sizes', 0, ODD_RECORDS);
    await probe.produceRecords('sizes', 0, ODD_RECORDS, { oneBatchPerRecord: true });
    for (const codec of ['none', 'zstd'] as const) {
      const value = Buffer.alloc(9_000_000, `${codec} ${'abcdefgh'.repeat(37)}`);
      await probe.produceRecords('sizes', 0, [{ key: codec, value, timestampMs: T0 + 20 }], { codec });
      await probe.produceRecords('sizes', 0, ODD_RECORDS, { codec });
    }
    const { target, recordsCompared } = await system.roundTrip('sizes');
    assert.equal(recordsCompared, 4 * ODD_RECORDS.length + 2);
    const { configs } = await probe.describeTopic(target);
    assert.equal(configs['max.message.bytes'], String(12 * MIB));
  });

  it('holds the times at which the broker appended, where that is what consumers saw', async () => {
    await probe.createTopic('appended', { config: { 'message.timestamp.type': 'LogAppendTime' } });
    for (const codec of CODECS) await probe.produceRecords('appended', 0, numbered(codec, 0, 50), { codec });
    await probe.alterTopicConfig('appended', { 'message.timestamp.type': 'CreateTime' });
    await probe.produceRecords('appended', 0, numbered('created', 0, 50));
    await probe.alterTopicConfig('appended', { 'message.timestamp.type': 'LogAppendTime' });
    const { target } = await system.roundTrip('appended');
    const digest = (await probe.digest(target)).get(0);
    assert.deepEqual(digest?.timestampTypes, ['CreateTime']);
    assert.equal((await probe.describeTopic(target)).configs['message.timestamp.type'], 'LogAppendTime');
  });

  it('holds timestamps out of order, old ones and ones far ahead', async () => {
    await probe.createTopic('disorder', {
      config: { 'message.timestamp.after.max.ms': '9223372036854775807', 'retention.ms': -1 },
    });
    const times = [T0 + 500, T0, T0 + 1000, 0, 1, T0 - 1, Date.now() + 86_400_000 * 30, T0 + 1, T0 + 999];
    for (const codec of CODECS) {
      const records = times.map((timestampMs, index) => ({ key: `${index}`, value: codec, timestampMs }));
      await probe.produceRecords('disorder', 0, records, { codec });
      await probe.produceRecords('disorder', 0, records.toReversed(), { codec });
    }
    await system.roundTrip('disorder');
  });

  it('has the partitions of its source, the empty ones too', async () => {
    await probe.createTopic('partly-empty', { partitions: 7 });
    await probe.produce('partly-empty', { records: 3000, partitions: [1, 2, 5] });
    await probe.createTopic('empty', { partitions: 3 });
    await system.roundTrip('partly-empty');
    const { recordsCompared } = await system.roundTrip('empty');
    assert.equal(recordsCompared, 0);
    assert.equal((await probe.describeTopic('partly-empty-restored')).partitions, 7);
    assert.equal((await probe.describeTopic('empty-restored')).partitions, 3);
  });

  it('has the configuration of its source once it is complete, and keeps old records until then', async () => {
    const config = {
      'cleanup.policy': 'compact,delete',
      'retention.ms': 31_536_000_000_000,
      'max.message.bytes': 2_000_000,
      'segment.bytes': 20 * MIB,
      'min.compaction.lag.ms': 3_600_000,
    };
    await probe.createTopic('configured', { partitions: 2, config });
    await probe.produce('configured', { records: 500, keys: 20, startTimestampMs: Date.now() - 86_400_000 });
    await system.roundTrip('configured');
    const source = await probe.describeTopic('configured');
    const restored = await probe.describeTopic('configured-restored');
    assert.deepEqual(restored.configs, source.configs);
    assert.equal(restored.partitions, source.partitions);
  });

  it('is the same on another cluster', async () => {
    assertExit(await system.workspace.backup({ backupId: 'abroad', topics: ['mixed', 'transactions'] }), 0);
    const other = await startKafka();
    const otherProbe = await KafkaProbe.start(other.bootstrap);
    try {
      const topics = { mixed: 'mixed', transactions: 'transactions' };
      const run = await system.workspace.restore({ backupId: 'abroad', topics, bootstrap: other.bootstrap });
      assertExit(run, 0);
      let compared = 0;
      for (const topic of Object.keys(topics)) {
        compared += await assertSameRecords({ probe, topic }, { probe: otherProbe, topic });
      }
      assert.equal(restoredRecords(run.summary), compared);
    } finally {
      await otherProbe.stop();
      await other.stop();
    }
  });
});

/** `count` records with keys, and values of about `valueBytes`. */
function numbered(name: string, from: number, count: number, valueBytes = 20): RecordToSend[] {
  return Array.from({ length: count }, (_, index) => ({
    key: `${name} ${from + index}`,
    value: `${name} ${from + index} `.padEnd(valueBytes, '.'),
    timestampMs: T0 + from + index,
  }));
}
