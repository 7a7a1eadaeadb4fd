// Two live processes that run the same restore: one of them brings every record there once, the other ends with exit code 11 and
// says who has taken its place. Whether they start at the same moment, one while the other writes, or one that was frozen wakes up.
import assert from 'node:assert/strict';
import { after, before, describe, it, type TestContext } from 'node:test';
import { setTimeout as sleep } from 'node:timers/promises';
import type { AgentRun } from '../support/agent-process.ts';
import { assertExit, type RestoreSpec, restoredRecords } from '../support/agent-workspace.ts';
import { assertSameRecords } from '../support/compare-topics.ts';
import type { KafkaProbe } from '../support/kafka-probe.ts';
import { randomNumbers } from '../support/random-numbers.ts';
import { SystemFixture } from '../support/system-fixture.ts';
import { recordsBeyond } from '../support/topic-growth.ts';

const SEED = Number(process.env.KAFKA_BACKUP_TEST_SEED ?? Date.now() % 1_000_000);
const RECORDS = 3000;
const FENCED = 11;
/** Both are under way before either can be done. */
const SLOW = { rate_limit_records_per_sec: 1000, produce_batch_size: 50 };
/** The one that is there first is under way for longer than another one takes to start, on any machine. */
const FIRST = { ...SLOW, rate_limit_records_per_sec: 300 };
/** Longer than an attempt writes without another look at its journal. */
const FROZEN_MS = 4000;
const SIMULTANEOUS_ROUNDS = 5;
const MOST_APART_MS = 400;
const random = randomNumbers(SEED);

describe('two processes that run the same restore', { timeout: 240_000 }, () => {
  let system: SystemFixture;
  let probe: KafkaProbe;

  before(async () => {
    system = await SystemFixture.start();
    ({ probe } = system);
    await probe.createTopic('orders', { partitions: 3 });
    await probe.produce('orders', { records: RECORDS, keys: 200, headers: true, valueBytes: 100, batchSize: 2000 });
    const backup = { frame_bytes: '64KiB', segment_max_bytes: '256KiB' };
    assertExit(await system.workspace.backup({ backupId: 'shop', topics: ['orders'], backup }), 0);
  });

  after(() => system?.stop());

  /** One has restored everything, the other was told that it had to leave it to that one. */
  function assertOneDone(runs: readonly AgentRun[]): void {
    const said = runs.map(({ stderr }) => stderr).join('\n---\n');
    assert.deepEqual(
      runs.map(({ exitCode }) => Number(exitCode)).toSorted((a, b) => a - b),
      [0, FENCED],
      said,
    );
    const done = runs.find(({ exitCode }) => exitCode === 0);
    assert.equal(restoredRecords(done!.summary), RECORDS);
    const { code, message } = runs.find(({ exitCode }) => exitCode === FENCED)!.failure!;
    assert.equal(code, 'FENCED');
    // Whoever comes between the check and the creation of a topic cannot know yet which restore it is.
    assert.match(message, /rst_\w+|was created .* just now; look again/);
    assert.match(message, /another process|process \d+/);
  }

  it('started at the same moment, one writes and the other does not', async (context: TestContext) => {
    context.diagnostic(`seed ${SEED}`);
    for (let round = 1; round <= SIMULTANEOUS_ROUNDS; round += 1) {
      const target = `orders-twice-${round}`;
      const spec: RestoreSpec = { backupId: 'shop', topics: { orders: target }, restore: SLOW };
      const apartMs = round === 1 ? 0 : Math.round(random() * MOST_APART_MS);
      const first = await system.workspace.startRestore(spec);
      await sleep(apartMs);
      const second = await system.workspace.startRestore(spec);
      const runs = await Promise.all([first.exit(), second.exit()]);
      context.diagnostic(`${apartMs} ms apart: ${runs.map(({ exitCode }) => exitCode).join(', ')}`);
      assertOneDone(runs);
      await assertSameRecords({ probe, topic: 'orders' }, { probe, topic: target });
      // Whoever asks again is told that it is done.
      const again = await system.workspace.restore(spec);
      assertExit(again, 0);
      await assertSameRecords({ probe, topic: 'orders' }, { probe, topic: target });
    }
  });

  it('the one that is started later takes over from the one that writes', async () => {
    const target = 'orders-taken-over';
    const spec = { backupId: 'shop', topics: { orders: target } };
    const first = await system.workspace.startRestore({ ...spec, restore: FIRST });
    await recordsBeyond(probe, target, 300n, first);
    const second = await system.workspace.startRestore({ ...spec, restore: SLOW });
    const runs = await Promise.all([first.exit(), second.exit()]);
    assertOneDone(runs);
    assert.equal(runs[1].exitCode, 0);
    await assertSameRecords({ probe, topic: 'orders' }, { probe, topic: target });
  });

  it('another restore into a topic that one is filling is refused before it writes', async () => {
    const target = 'orders-reserved';
    const first = await system.workspace.startRestore({ backupId: 'shop', topics: { orders: target }, restore: FIRST });
    await recordsBeyond(probe, target, 300n, first);
    const other = { time_window_end: '2025-01-01T00:00:00Z', into_existing: 'append' };
    const second = await system.workspace.restore({ backupId: 'shop', topics: { orders: target }, restore: other });
    assertExit(second, 4);
    assert.match(second.failure?.message ?? '', /is being filled by .*restore --resume rst_\w+/);
    assertExit(await first.exit(), 0);
    await assertSameRecords({ probe, topic: 'orders' }, { probe, topic: target });
  });

  it('one that is abandoned while it writes stops, and its topic is as it was, but for what was written', async () => {
    const target = 'orders-abandoned';
    const config = { 'retention.ms': '8640000000000', 'message.timestamp.type': 'LogAppendTime' };
    await probe.createTopic(target, { partitions: 3, config });
    await probe.produce(target, { records: 90, valueBytes: 100, seed: 9 });
    const appending = { into_existing: 'append', allow_log_append_time: true };
    const spec = { backupId: 'shop', topics: { orders: target } };
    const first = await system.workspace.startRestore({ ...spec, restore: { ...FIRST, ...appending } });
    await recordsBeyond(probe, target, 300n, first);
    const other = { ...appending, time_window_end: '2025-01-01T00:00:00Z' };
    const { failure } = await system.workspace.restore({ ...spec, restore: other });
    const [, id = ''] = /restore --abandon (rst_\w+)/.exec(failure?.message ?? '') ?? [];
    const abandoned = await system.workspace.restore({ ...spec, args: ['--abandon', id] });
    assertExit(abandoned, 0);
    const [topic] = abandoned.summary.topics as readonly Readonly<Record<string, unknown>>[];
    assert.deepEqual([topic?.topic, topic?.released], [target, true]);
    const told = await system.workspace.restore({ ...spec, args: ['--abandon', id], asText: true });
    assert.match(
      told.stdout,
      new RegExp(`^Restore ${id} is abandoned\n  ${target}: was left as it is; what the restore wrote begins at`),
    );
    assertExit(await first.exit(), FENCED);
    assert.deepEqual((await probe.describeTopic(target)).configs, config);
    const ends = await probe.endOffsets(target);
    const again = await system.workspace.restore({ ...spec, restore: other });
    assertExit(again, 0);
    const held = (all: ReadonlyMap<number, bigint>): bigint => [...all.values()].reduce((sum, end) => sum + end, 0n);
    const written = held(await probe.endOffsets(target)) - held(ends);
    assert.equal(written, BigInt(restoredRecords(again.summary)));
    assert.deepEqual((await probe.describeTopic(target)).configs, config);
  });

  it('one that was frozen while another one did its work writes nothing when it wakes up, though the broker has forgotten both', async () => {
    const target = 'orders-frozen';
    const spec = { backupId: 'shop', topics: { orders: target } };
    // The records are old, so every check finds that their producer is.
    await system.broker.restart({ 'producer.id.expiration.check.interval.ms': 500 });
    const frozen = await system.workspace.startRestore({ ...spec, restore: FIRST });
    await recordsBeyond(probe, target, 300n, frozen);
    assert.ok(frozen.signal('SIGSTOP'));
    const [second] = await Promise.all([system.workspace.restore(spec), sleep(FROZEN_MS)]);
    assert.ok(frozen.signal('SIGCONT'));
    assertOneDone([await frozen.exit(), second]);
    await assertSameRecords({ probe, topic: 'orders' }, { probe, topic: target });
  });
});
