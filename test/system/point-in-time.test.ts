// A restore to an instant, or to a window, holds exactly the records that the words mean (DESIGN 6): to the millisecond, both
// ends inclusive, whatever the order of the timestamps. Kafka's own consumer says what the source had then.
import assert from 'node:assert/strict';
import { after, before, describe, it } from 'node:test';
import { setTimeout as sleep } from 'node:timers/promises';
import type { AgentRun } from '../support/agent-process.ts';
import { assertExit, droppedRecords, restoredRecords } from '../support/agent-workspace.ts';
import { assertDigests, assertSameRecords, digestOf } from '../support/compare-topics.ts';
import type { Codec, DigestOptions, KafkaProbe, RecordToSend } from '../support/kafka-probe.ts';
import { SystemFixture } from '../support/system-fixture.ts';

const CODECS: readonly Codec[] = ['none', 'gzip', 'snappy', 'lz4', 'zstd'];
const T0 = 1_700_000_000_000;
const RECORDS = 4000;
const STEP_MS = 10;
/** Small, so that a window cuts segments, frames and batches. */
const SMALL_PARTS = { segment_max_bytes: '256KiB', frame_bytes: '64KiB' };

describe('a restore to a point in time', { timeout: 180_000 }, () => {
  let system: SystemFixture;
  let probe: KafkaProbe;
  let restores = 0;

  before(async () => {
    system = await SystemFixture.start();
    ({ probe } = system);
    await probe.createTopic('in-order', { partitions: 2 });
    for (const [index, codec] of CODECS.entries()) {
      const records = RECORDS / CODECS.length;
      const firstIndex = index * records;
      await probe.produce('in-order', { records, firstIndex, codec, startTimestampMs: T0, timestampStepMs: STEP_MS });
    }
    await probe.createTopic('disorder');
    for (let batch = 0; batch < 40; batch += 1) {
      await probe.produceRecords('disorder', 0, disordered(batch), { codec: CODECS[batch % CODECS.length]! });
    }
    const run = await system.workspace.backup({
      backupId: 'clock',
      topics: ['in-order', 'disorder'],
      backup: SMALL_PARTS,
    });
    assertExit(run, 0);
  });

  after(() => system?.stop());

  /** Restores one topic of `backupId` under a new name. */
  async function restore(
    topic: string,
    options: {
      readonly backupId?: string;
      readonly args?: readonly string[];
      readonly restore?: Readonly<Record<string, unknown>>;
    },
  ): Promise<{ readonly run: AgentRun; readonly target: string }> {
    restores += 1;
    const target = `${topic}-${restores}`;
    const run = await system.workspace.restore({ backupId: 'clock', topics: { [topic]: target }, ...options });
    assertExit(run, 0);
    return { run, target };
  }

  /** Restores, and compares with what of the source a consumer is to find. */
  async function compare(
    topic: string,
    expected: DigestOptions,
    how: { readonly args?: readonly string[]; readonly restore?: Readonly<Record<string, unknown>> },
  ): Promise<number> {
    const { run, target } = await restore(topic, how);
    const compared = await assertSameRecords({ probe, topic, options: expected }, { probe, topic: target });
    assert.equal(restoredRecords(run.summary), compared);
    return compared;
  }

  for (const topic of ['in-order', 'disorder']) {
    it(`holds the records up to an instant, that millisecond included (${topic})`, async () => {
      const instant = T0 + (RECORDS / 2) * STEP_MS;
      const upTo = await compare(topic, { toTimestampMs: instant }, { args: ['--to', String(instant)] });
      const before = await compare(topic, { toTimestampMs: instant - 1 }, { args: ['--to', String(instant - 1)] });
      assert.ok(
        before > 0 && upTo > before && upTo < RECORDS,
        `${before} records before the instant, ${upTo} up to it`,
      );
    });

    it(`holds the records of a window, both of its ends included (${topic})`, async () => {
      const [start, end] = [T0 + 1000 * STEP_MS, T0 + 2500 * STEP_MS];
      const window = { time_window_start: start, time_window_end: new Date(end).toISOString() };
      const expected = { fromTimestampMs: start, toTimestampMs: end };
      const whole = await compare(topic, expected, { restore: window });
      const inner = await compare(
        topic,
        { fromTimestampMs: start + 1, toTimestampMs: end - 1 },
        { restore: { time_window_start: start + 1, time_window_end: end - 1 } },
      );
      assert.ok(inner > 0 && inner < whole, `${inner} records inside, ${whole} with both ends`);
    });

    it(`ends before the first record past the instant with cut: log (${topic})`, async () => {
      const instant = T0 + (RECORDS / 2) * STEP_MS + 3;
      const expected = { toTimestampMs: instant, cut: 'log' } as const;
      const compared = await compare(topic, expected, {
        args: ['--to', new Date(instant).toISOString()],
        restore: { cut: 'log' },
      });
      assert.ok(compared > 0 && compared < RECORDS);
    });
  }

  it('restores an empty topic when the instant is before every record', async () => {
    const { run, target } = await restore('in-order', { args: ['--to', String(T0 - 1)] });
    assert.equal(restoredRecords(run.summary), 0);
    assert.equal((await probe.describeTopic(target)).partitions, 2);
    assert.deepEqual(
      [...(await digestOf({ probe, topic: target })).values()].map(({ recordCount }) => recordCount),
      [0, 0],
    );
  });

  it('takes an instant that is an age', async () => {
    const { run } = await restore('in-order', { args: ['--to', '-1h'] });
    assert.equal(restoredRecords(run.summary), RECORDS);
  });

  it('drops a transaction that was committed after the instant, and holds one that was committed before', async () => {
    await probe.createTopic('decided');
    await probe.createTopic('decided-expected');
    const early = now('early', 10);
    await probe.produceRecords('decided', 0, early, { transactionalId: 'early' });
    await probe.produceRecords('decided-expected', 0, early);
    await probe.txBegin('late');
    await probe.txSend('late', 'decided', 0, now('late', 10));
    const plain = now('plain', 5);
    await probe.produceRecords('decided', 0, plain);
    await probe.produceRecords('decided-expected', 0, plain);
    await sleep(20);
    const instant = Date.now();
    await sleep(20);
    await probe.txCommit('late');
    await probe.produceRecords('decided', 0, now('after', 5));
    assertExit(await system.workspace.backup({ backupId: 'decided', topics: ['decided'] }), 0);

    const { run, target } = await restore('decided', { backupId: 'decided', args: ['--to', String(instant)] });
    await assertSameRecords({ probe, topic: 'decided-expected' }, { probe, topic: target });
    const { 'control-batch': _markers, ...dropped } = droppedRecords(run.summary);
    assert.deepEqual(dropped, { 'decided-after-target': 10, 'outside-window': 5 });

    const later = await restore('decided', { backupId: 'decided', args: ['--to', String(Date.now())] });
    assert.equal(await assertSameRecords({ probe, topic: 'decided' }, { probe, topic: later.target }), 30);
  });

  it('brings a deleted topic back, under its own name, as it was just before', async () => {
    await probe.createTopic('deleted', { partitions: 2, config: { 'retention.ms': 31_536_000_000_000 } });
    await probe.produce('deleted', { records: 1000, keys: 10, startTimestampMs: Date.now() - 60_000 });
    assertExit(await system.workspace.backup({ backupId: 'deleted', topics: ['delet*'] }), 0);
    const source = await digestOf({ probe, topic: 'deleted' });
    const instant = Date.now();
    await probe.deleteTopic('deleted');
    await gone('deleted');
    assertExit(await system.workspace.backup({ backupId: 'deleted', topics: ['delet*'] }), 0);
    const run = await system.workspace.restore({
      backupId: 'deleted',
      topics: { deleted: 'deleted' },
      args: ['--to', String(instant)],
    });
    assertExit(run, 0);
    assert.equal(await assertDigests(source, { probe, topic: 'deleted' }, { probe, topic: 'deleted' }), 1000);
    assert.equal((await probe.describeTopic('deleted')).configs['retention.ms'], '31536000000000');
  });

  /** Waits until the broker no longer answers for the topic. */
  async function gone(topic: string): Promise<void> {
    for (let attempt = 0; attempt < 100; attempt += 1) {
      const isThere = await probe.describeTopic(topic).then(
        () => true,
        () => false,
      );
      if (!isThere) return;
      await sleep(50);
    }
    assert.fail(`${topic} was not deleted`);
  }
});

/** A batch whose timestamps go back and forth, and overlap those of all other batches around it. */
function disordered(batch: number): RecordToSend[] {
  return Array.from({ length: 100 }, (_, index) => ({
    key: `${batch}/${index}`,
    value: 'x'.repeat(300),
    timestampMs: T0 + ((batch * 100 + index * 37 + (index % 3) * 900) % RECORDS) * STEP_MS,
  }));
}

/** `count` records of this moment. */
function now(name: string, count: number): RecordToSend[] {
  return Array.from({ length: count }, (_, index) => ({ key: name, value: `${index}`, timestampMs: Date.now() }));
}
