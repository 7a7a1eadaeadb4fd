// The source's log is not a fixed thing: records are deleted before they are read, topics are deleted and made again, grow, and
// lose their end. Nothing of that may go by unrecorded, and what is restored is what the log held then (DESIGN 5, H1 to H15).
import assert from 'node:assert/strict';
import { after, before, describe, it } from 'node:test';
import { setTimeout as sleep } from 'node:timers/promises';
import { AgentProcess } from '../support/agent-process.ts';
import { assertExit, committedOffset, onlyIncarnation } from '../support/agent-workspace.ts';
import { assertTiling, assertTopicTiling } from '../support/assert-tiling.ts';
import { assertDigests, assertSameRecords, digestOf } from '../support/compare-topics.ts';
import { cutLog } from '../support/cut-log.ts';
import type { KafkaProbe, PartitionDigest, RecordToSend } from '../support/kafka-probe.ts';
import { SystemFixture } from '../support/system-fixture.ts';

const T0 = 1_700_000_000_000;
/** Seals, commits and looks around as often as the configuration allows. */
const EAGER = {
  continuous: true,
  segment_max_interval_ms: 200,
  checkpoint_interval_secs: 1,
  sync_interval_secs: 1,
  topic_refresh_interval_secs: 1,
  fetch_max_wait_ms: 200,
};
/** Longer than a fetch that the broker holds for an agent that has been stopped. */
const FETCH_HELD_MS = 600;

describe('a backup of a log that changes', { timeout: 240_000 }, () => {
  let system: SystemFixture;
  let probe: KafkaProbe;

  before(async () => {
    system = await SystemFixture.start();
    ({ probe } = system);
  });

  after(() => system?.stop());

  /** Waits until the backup has everything that the topics hold. */
  async function caughtUp(backupId: string, topics: readonly string[]): Promise<void> {
    const ends = new Map<string, Map<number, bigint>>();
    for (const topic of topics) ends.set(topic, await probe.endOffsets(topic));
    await system.workspace.catalogUntil(backupId, (state) =>
      [...ends].every(([topic, partitions]) =>
        [...partitions].every(([partition, end]) => committedOffset(state, topic, partition) === end),
      ),
    );
  }

  function restore(backupId: string, topic: string, target: string, args: readonly string[] = []) {
    return system.workspace.restore({ backupId, topics: { [topic]: target }, args });
  }

  /** Asserts that `target` holds `head` and then `tail`, each as it was at the source. */
  async function assertHeadAndTail(target: string, head: PartitionDigest, tail: PartitionDigest): Promise<void> {
    const split = BigInt(head.recordCount);
    for (const [part, expected] of [
      [{ endOffset: split }, head],
      [{ fromOffset: split }, tail],
    ] as const) {
      const found = (await probe.digest(target, { offsets: { 0: part } })).get(0);
      assert.deepEqual([found?.recordCount, found?.sha256], [expected.recordCount, expected.sha256]);
    }
  }

  it('records as a gap exactly what retention deleted before it was read, and exits with 3', async () => {
    await probe.createTopic('retained', { config: { 'retention.ms': 3_600_000 } });
    await probe.produce('retained', { records: 800, startTimestampMs: Date.now() });
    const spec = { backupId: 'retained', topics: ['retained'] };
    assertExit(await system.workspace.backup(spec), 0);
    const head = (await probe.digest('retained')).get(0)!;
    // Too old to be kept: the broker deletes everything so far at its next look.
    await probe.produce('retained', { records: 700, startTimestampMs: T0, firstIndex: 800 });
    await probe.alterTopicConfig('retained', { 'retention.ms': 1, 'segment.ms': 100 });
    await probeUntil('retained', async () => (await probe.beginningOffsets('retained')).get(0) === 1500n);
    await probe.alterTopicConfig('retained', { 'retention.ms': 3_600_000 });
    await probe.produce('retained', { records: 300, startTimestampMs: Date.now(), firstIndex: 1500 });

    const run = await system.workspace.backup(spec);
    assertExit(run, 3);
    assert.equal(run.summary['gap_records'], 700);
    const history = onlyIncarnation(await system.workspace.catalog('retained'), 'retained').partitions.get(0)!;
    assertTiling(history, 0n, 1800n);
    assert.deepEqual(
      history.gaps.map(({ baseOffset, lastOffset, reason }) => ({ baseOffset, lastOffset, reason })),
      [{ baseOffset: 800n, lastOffset: 1499n, reason: 'retention' }],
    );
    assertExit(await restore('retained', 'retained', 'retained-restored'), 3);
    const tail = (await probe.digest('retained')).get(0)!;
    await assertHeadAndTail('retained-restored', head, tail);
  });

  it('records as a gap exactly what was deleted while it stood still, goes on behind it, and says so when it restores', async () => {
    await probe.createTopic('purged', { config: { 'retention.ms': -1 } });
    await probe.produce('purged', { records: 500 });
    const agent = await system.workspace.startBackup({ backupId: 'purged', topics: ['purged'], backup: EAGER });
    await caughtUp('purged', ['purged']);
    const head = (await probe.digest('purged')).get(0)!;
    agent.signal('SIGSTOP');
    await sleep(FETCH_HELD_MS);
    await probe.produce('purged', { records: 1000, firstIndex: 500 });
    await probe.deleteRecords('purged', 0, 1100n);
    agent.signal('SIGCONT');
    await caughtUp('purged', ['purged']);
    assertExit(await agent.stop(), 0);
    const history = onlyIncarnation(await system.workspace.catalog('purged'), 'purged').partitions.get(0)!;
    assertTiling(history, 0n, 1500n);
    assert.deepEqual(
      history.gaps.map(({ baseOffset, lastOffset, reason }) => ({ baseOffset, lastOffset, reason })),
      [{ baseOffset: 500n, lastOffset: 1099n, reason: 'delete-records' }],
    );
    assertExit(await system.workspace.validate('purged'), 0);
    assertExit(await restore('purged', 'purged', 'purged-restored'), 3);
    await assertHeadAndTail('purged-restored', head, (await probe.digest('purged')).get(0)!);
  });

  it('holds a batch whole that it begins in the middle of, and a restore only what was asked for', async () => {
    await probe.createTopic('entered', {});
    await probe.produce('entered', { records: 300, lingerMs: 100, batchSize: 1_000_000 });
    await probe.deleteRecords('entered', 0, 130n);
    assertExit(await system.workspace.backup({ backupId: 'entered', topics: ['entered'] }), 0);
    assertExit(await system.workspace.validate('entered'), 0);
    assertExit(await restore('entered', 'entered', 'entered-restored'), 0);
    const [source, restored] = await Promise.all(['entered', 'entered-restored'].map((topic) => probe.digest(topic)));
    assert.deepEqual(restored?.get(0)?.sha256, source?.get(0)?.sha256);
    assert.equal(restored?.get(0)?.recordCount, 170);
  });

  it('leaves no hole when it is killed before anything was stored of a partition that it takes from its end', async () => {
    await probe.createTopic('tailed');
    await probe.produce('tailed', { records: 10 });
    const latest = { continuous: true, start_offset: 'latest', fetch_max_wait_ms: 200 };
    const spec = { backupId: 'tailed', topics: ['tailed'] };
    // It would seal after a minute.
    const killed = await system.workspace.startBackup({ ...spec, backup: latest });
    await system.workspace.catalogUntil('tailed', (state) => committedOffset(state, 'tailed') === 10n);
    await probe.produce('tailed', { records: 500, firstIndex: 10 });
    await sleep(FETCH_HELD_MS);
    killed.signal('SIGKILL');
    await killed.ended.catch(() => {});
    const history = async () => onlyIncarnation(await system.workspace.catalog('tailed'), 'tailed').partitions.get(0)!;
    assert.deepEqual((await history()).segments, []);
    const stopped = await system.workspace.startBackup({ ...spec, backup: { ...EAGER, ...latest } });
    await probe.produce('tailed', { records: 5, firstIndex: 510 });
    await caughtUp('tailed', ['tailed']);
    assertExit(await stopped.stop(), 0);
    assertTiling(await history(), 10n, 515n);
    assertExit(await restore('tailed', 'tailed', 'tailed-restored'), 0);
    const restored = (await probe.digest('tailed-restored')).get(0)!;
    const wanted = (await probe.digest('tailed', { offsets: { 0: { fromOffset: 10n } } })).get(0)!;
    assert.deepEqual([restored.recordCount, restored.sha256], [505, wanted.sha256]);
  });

  it('backs up what came while no agent ran to a topic that was quiet when it took it from its end', async () => {
    for (const continuous of [true, false]) {
      const topic = continuous ? 'quiet-tailed' : 'quiet-once';
      const backup = continuous ? { ...EAGER, start_offset: 'latest' } : { start_offset: 'latest' };
      const spec = { backupId: topic, topics: [topic], backup };
      await probe.createTopic(topic);
      await probe.produce(topic, { records: 10 });
      const first = await system.workspace.startBackup(spec);
      if (continuous) {
        await system.workspace.catalogUntil(topic, (state) => state.version > 0);
        assertExit(await first.stop(), 0);
      } else assertExit(await first.exit(), 0);
      await probe.produce(topic, { records: 90, firstIndex: 10 });
      const second = await system.workspace.startBackup(spec);
      if (continuous) {
        await caughtUp(topic, [topic]);
        assertExit(await second.stop(), 0);
      } else assertExit(await second.exit(), 0);
      assertTiling(onlyIncarnation(await system.workspace.catalog(topic), topic).partitions.get(0)!, 10n, 100n);
    }
  });

  it('records as a gap what came to an empty topic and was deleted before the next run, and exits with 3', async () => {
    // The broker's own default keeps everything.
    await probe.createTopic('once-empty');
    const spec = { backupId: 'once-empty', topics: ['once-empty'] };
    assertExit(await system.workspace.backup(spec), 0);
    for (const from of [0, 50]) await probe.produceRecords('once-empty', 0, numbered('first', from, 50));
    await probe.deleteRecords('once-empty', 0, 50n);
    const run = await system.workspace.backup(spec);
    assertExit(run, 3);
    assert.equal(run.summary['gap_records'], 50);
    const history = onlyIncarnation(await system.workspace.catalog('once-empty'), 'once-empty').partitions.get(0)!;
    assertTiling(history, 0n, 100n);
    assert.deepEqual(
      history.gaps.map(({ baseOffset, lastOffset, reason }) => ({ baseOffset, lastOffset, reason })),
      [{ baseOffset: 0n, lastOffset: 49n, reason: 'delete-records' }],
    );
    assertExit(await restore('once-empty', 'once-empty', 'once-empty-restored'), 3);
    const { directory: cwd, store } = system.workspace;
    const validate = new AgentProcess(['validate', '--path', store, '--backup-id', 'once-empty', '--json'], { cwd });
    assertExit(await validate.exit(), 0);
  });

  for (const when of ['stopped', 'running'] as const) {
    it(`keeps both lives of a topic that was deleted and made again while the agent was ${when}`, async () => {
      const topic = `reborn-${when}`;
      const spec = { backupId: topic, topics: [topic], backup: when === 'running' ? EAGER : {} };
      await probe.createTopic(topic, { partitions: 2 });
      await probe.produce(topic, { records: 600, seed: 1 });
      const agent = await system.workspace.startBackup(spec);
      if (when === 'running') await caughtUp(topic, [topic]);
      else assertExit(await agent.exit(), 0);
      const old = await digestOf({ probe, topic });
      const instant = Date.now();
      await sleep(10);
      await probe.deleteTopic(topic);
      await createAgain(topic);
      await probe.produce(topic, { records: 900, seed: 2 });
      if (when === 'running') {
        await system.workspace.catalogUntil(topic, (state) => state.incarnations.length === 2);
        await caughtUp(topic, [topic]);
        assertExit(await agent.stop(), 0);
      } else assertExit(await system.workspace.backup(spec), 0);

      const state = await system.workspace.catalog(topic);
      assert.equal(state.incarnations.length, 2);
      assertTopicTiling(state, topic, new Map(), await probe.endOffsets(topic));
      assertExit(await restore(topic, topic, `${topic}-latest`), 0);
      await assertSameRecords({ probe, topic }, { probe, topic: `${topic}-latest` });
      assertExit(await restore(topic, topic, `${topic}-before`, ['--to', String(instant)]), 0);
      assert.equal(await assertDigests(old, { probe, topic }, { probe, topic: `${topic}-before` }), 600);
    });
  }

  it('records as a gap what it knew of a topic and had not read when that was made again', async () => {
    await probe.createTopic('overtaken', { partitions: 2 });
    await probe.produce('overtaken', { records: 40_000 });
    const instant = Date.now();
    // Slow, and one partition after the other: of the second only the end is known.
    const backup = {
      ...EAGER,
      segment_max_records: 500,
      max_concurrent_partitions: 1,
      max_partition_fetch_bytes: 4096,
    };
    const agent = await system.workspace.startBackup({ backupId: 'overtaken', topics: ['overtaken'], backup });
    await system.workspace.catalogUntil(
      'overtaken',
      (state) => state.incarnations[0]?.partitions.get(1)?.resume !== undefined,
    );
    agent.signal('SIGSTOP');
    await probe.deleteTopic('overtaken');
    await createAgain('overtaken');
    agent.signal('SIGCONT');
    await system.workspace.catalogUntil('overtaken', (state) => state.incarnations[1]?.partitions.size === 3);
    const run = await agent.stop();
    assertExit(run, 0);

    const [former] = (await system.workspace.catalog('overtaken')).incarnations;
    for (const partition of [0, 1]) {
      const history = former!.partitions.get(partition)!;
      assertTiling(history, 0n, 20_000n);
      assert.deepEqual(
        history.gaps.map(({ lastOffset, reason }) => ({ lastOffset, reason })),
        [{ lastOffset: 19_999n, reason: 'delete-records' }],
      );
    }
    assert.equal(run.summary['gaps'], 2);
    assert.equal(Number(run.summary['gap_records']) + Number(run.summary['records']), 40_000);
    assertExit(await restore('overtaken', 'overtaken', 'overtaken-before', ['--to', String(instant)]), 3);
  });

  it('has from their start a topic made again and a partition added while no agent ran, though it takes what it finds first from its end', async () => {
    const topics = ['remade', 'widened'];
    const spec = { backupId: 'absent', topics, backup: { start_offset: 'latest' } };
    for (const topic of topics) {
      await probe.createTopic(topic);
      await probe.produce(topic, { records: 100, seed: 1 });
    }
    assertExit(await system.workspace.backup(spec), 0);
    await probe.deleteTopic('remade');
    await createAgain('remade');
    await probe.produce('remade', { records: 900, seed: 2 });
    await probe.addPartitions('widened', 2);
    await probe.produce('widened', { records: 80, partitions: [1] });
    assertExit(await system.workspace.backup(spec), 0);

    const state = await system.workspace.catalog('absent');
    assertTopicTiling(state, 'remade', new Map(), await probe.endOffsets('remade'));
    assertTopicTiling(state, 'widened', new Map([[0, 100n]]), await probe.endOffsets('widened'));
    assertExit(await restore('absent', 'remade', 'remade-restored'), 0);
    await assertSameRecords({ probe, topic: 'remade' }, { probe, topic: 'remade-restored' });
  });

  it('finds partitions and topics that appear while it runs', async () => {
    await probe.createTopic('growing-a', { partitions: 1 });
    await probe.produce('growing-a', { records: 200 });
    const agent = await system.workspace.startBackup({ backupId: 'growing', topics: ['growing-*'], backup: EAGER });
    await caughtUp('growing', ['growing-a']);
    const instant = Date.now();
    await probe.addPartitions('growing-a', 4);
    await probe.produce('growing-a', { records: 400, firstIndex: 200, startTimestampMs: instant + 1000 });
    await probe.createTopic('growing-b', { partitions: 2 });
    await probe.produce('growing-b', { records: 300 });
    await caughtUp('growing', ['growing-a', 'growing-b']);
    assertExit(await agent.stop(), 0);
    for (const topic of ['growing-a', 'growing-b']) {
      assertExit(await restore('growing', topic, `${topic}-restored`), 0);
      await assertSameRecords({ probe, topic }, { probe, topic: `${topic}-restored` });
    }
    // A partition that came later is left out of what was before, but not in silence when it is asked for.
    const before = { backupId: 'growing', topics: { 'growing-a': 'growing-before' }, args: ['--to', String(instant)] };
    const refused = await system.workspace.restore({ ...before, restore: { source_partitions: [0, 3] } });
    assertExit(refused, 4);
    assert.match(refused.failure?.message ?? '', /growing-a had no partition 3 at the recovery target, .* it had 1,/);
    assertExit(await system.workspace.restore(before), 0);
    assert.equal((await probe.describeTopic('growing-before')).partitions, 1);
    assert.equal((await probe.endOffsets('growing-before')).get(0), 200n);
  });

  it('follows a log that lost its end to where it agrees, and restores what the surviving log holds', async () => {
    const { workspace, broker } = system;
    const topics = ['cut-stopped', 'cut-running', 'cut-short'];
    for (const topic of topics) {
      await probe.createTopic(topic);
      for (let batch = 0; batch < 3; batch += 1)
        await probe.produceRecords(topic, 0, numbered('first', batch * 100, 100));
    }
    const stopped = { backupId: 'cut', topics: ['cut-stopped', 'cut-short'], backup: { segment_max_records: 150 } };
    assertExit(await workspace.backup(stopped), 0);
    const agent = await workspace.startBackup({ backupId: 'cut-live', topics: ['cut-running'], backup: EAGER });
    await caughtUp('cut-live', ['cut-running']);
    await broker.kill9();
    for (const topic of topics) await cutLog(broker.logDir, topic, 0, 200n);
    await broker.restart();
    for (const topic of topics) assert.equal((await probe.endOffsets(topic)).get(0), 200n);
    // Past the end of what was backed up: a fetch there succeeds, and only the leader epoch tells.
    for (const topic of ['cut-stopped', 'cut-running']) {
      for (let batch = 0; batch < 2; batch += 1)
        await probe.produceRecords(topic, 0, numbered('second', batch * 90, 90));
    }
    assertExit(await workspace.backup(stopped), 0);
    await caughtUp('cut-live', ['cut-running']);
    assertExit(await agent.stop(), 0);

    for (const topic of topics) {
      const backupId = topic === 'cut-running' ? 'cut-live' : 'cut';
      const history = onlyIncarnation(await workspace.catalog(backupId), topic).partitions.get(0)!;
      assert.deepEqual(
        history.truncations.map(({ endOffset, timeline }) => ({ endOffset, timeline })),
        [{ endOffset: 200n, timeline: 1 }],
        `truncations of ${topic}`,
      );
      assertTiling(history, 0n, topic === 'cut-short' ? 200n : 380n);
      assertExit(await restore(backupId, topic, `${topic}-restored`), 0);
      await assertSameRecords({ probe, topic }, { probe, topic: `${topic}-restored` });
    }
  });

  it('follows a log that lost its end twice, with nothing backed up between and no agent running', async () => {
    const { workspace, broker } = system;
    const spec = { backupId: 'cut-twice', topics: ['cut-twice'] };
    await probe.createTopic('cut-twice');
    for (const from of [0, 100, 200]) await probe.produceRecords('cut-twice', 0, numbered('first', from, 100));
    assertExit(await workspace.backup(spec), 0);
    for (const end of [200n, 100n]) {
      await broker.kill9();
      await cutLog(broker.logDir, 'cut-twice', 0, end);
      await broker.restart();
      assert.equal((await probe.endOffsets('cut-twice')).get(0), end);
      // Past the first cut: only the epoch of what is stored before it tells of the second one.
      if (end === 100n)
        for (const from of [0, 90]) await probe.produceRecords('cut-twice', 0, numbered('second', from, 90));
      assertExit(await workspace.backup(spec), 0);
    }
    const history = onlyIncarnation(await workspace.catalog('cut-twice'), 'cut-twice').partitions.get(0)!;
    assert.deepEqual(
      history.truncations.map(({ endOffset, timeline }) => ({ endOffset, timeline })),
      [
        { endOffset: 200n, timeline: 1 },
        { endOffset: 100n, timeline: 2 },
      ],
    );
    assertTiling(history, 0n, 280n);
    assertExit(await restore('cut-twice', 'cut-twice', 'cut-twice-restored'), 0);
    await assertSameRecords({ probe, topic: 'cut-twice' }, { probe, topic: 'cut-twice-restored' });
  });

  /** The broker may still refuse the name for a moment after a deletion. */
  async function createAgain(topic: string): Promise<void> {
    await probeUntil(topic, () =>
      probe.createTopic(topic, { partitions: 3 }).then(
        () => true,
        () => false,
      ),
    );
  }
});

async function probeUntil(what: string, condition: () => Promise<boolean>): Promise<void> {
  for (let attempt = 0; attempt < 200; attempt += 1) {
    if (await condition()) return;
    await sleep(50);
  }
  assert.fail(`waited in vain for ${what}`);
}

function numbered(name: string, from: number, count: number): RecordToSend[] {
  return Array.from({ length: count }, (_, index) => ({
    key: `${from + index}`,
    value: `${name} ${from + index}`,
    timestampMs: T0 + from + index,
  }));
}
