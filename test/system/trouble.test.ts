// Whatever breaks around the agent, or stops it, nothing is lost and nothing doubled: brokers that die, a second agent, signals,
// a full disk. Kafka's own consumer compares; the catalog must tile.
import assert from 'node:assert/strict';
import { readdir } from 'node:fs/promises';
import { join } from 'node:path';
import { after, before, describe, it, type TestContext } from 'node:test';
import { setTimeout as sleep } from 'node:timers/promises';
import { assertExit, committedOffset, committedRecords, restoredRecords } from '../support/agent-workspace.ts';
import { assertTopicTiling } from '../support/assert-tiling.ts';
import { assertSameRecords } from '../support/compare-topics.ts';
import { freePort } from '../support/free-port.ts';
import type { KafkaProbe } from '../support/kafka-probe.ts';
import { LiveLoad } from '../support/live-load.ts';
import { mountSmallDisk } from '../support/small-disk.ts';
import { SystemFixture } from '../support/system-fixture.ts';

const MIB = 1024 * 1024;
const POLL_MS = 20;
/** Seals and commits as often as the configuration allows. */
const EAGER = {
  continuous: true,
  segment_max_bytes: '1MiB',
  segment_max_interval_ms: 300,
  frame_bytes: '256KiB',
  checkpoint_interval_secs: 1,
  sync_interval_secs: 1,
  fetch_max_wait_ms: 200,
};

describe('in trouble', { timeout: 300_000 }, () => {
  let system: SystemFixture;
  let probe: KafkaProbe;

  before(async () => {
    system = await SystemFixture.start();
    ({ probe } = system);
  });

  after(() => system?.stop());

  /** Waits until the backup of a topic has everything that the topic holds. */
  async function caughtUp(topic: string): Promise<void> {
    const ends = await probe.endOffsets(topic);
    await system.workspace.catalogUntil(topic, (state) =>
      [...ends].every(([partition, end]) => committedOffset(state, topic, partition) === end),
    );
  }

  /** Asserts that the backup, which has the topic's name, holds every offset once, and restores what the topic holds. */
  async function assertWhole(topic: string, store?: string): Promise<number> {
    const { workspace } = system;
    const state = await workspace.catalog(topic, store);
    assertTopicTiling(state, topic, new Map(), await probe.endOffsets(topic));
    const target = `${topic}-restored`;
    const run = await workspace.restore({
      backupId: topic,
      topics: { [topic]: target },
      ...(store === undefined ? {} : { store }),
    });
    assertExit(run, 0);
    return assertSameRecords({ probe, topic }, { probe, topic: target });
  }

  async function until(condition: () => Promise<boolean>, what: string): Promise<void> {
    for (let attempt = 0; attempt < 1500; attempt += 1) {
      if (await condition()) return;
      await sleep(POLL_MS);
    }
    assert.fail(`waited in vain: ${what}`);
  }

  it('a continuous backup outlives a broker that is killed and comes back', async () => {
    await probe.createTopic('outage', { partitions: 2 });
    const load = new LiveLoad(probe, 'outage', { recordsPerSecond: 1500, keys: 50 });
    const agent = await system.workspace.startBackup({ backupId: 'outage', topics: ['outage'], backup: EAGER });
    await system.workspace.catalogUntil('outage', (state) => committedOffset(state, 'outage') > 0n);
    await system.broker.kill9();
    await agent.says(/in trouble/);
    await system.broker.restart();
    const produced = await load.stop();
    await caughtUp('outage');
    assertExit(await agent.stop(), 0);
    assert.ok((await assertWhole('outage')) >= produced);
  });

  it('a quiet backup can be restored to now, and to no later than its broker was last heard', async () => {
    await probe.createTopic('quiet', { partitions: 2 });
    await probe.produce('quiet', { records: 100 });
    const port = await freePort();
    const agent = await system.workspace.startBackup({
      backupId: 'quiet',
      topics: ['quiet'],
      backup: EAGER,
      control: { listen: `127.0.0.1:${port}` },
    });
    const restorableTo = async (): Promise<number> => {
      const response = await fetch(`http://127.0.0.1:${port}/v1/backups/quiet`);
      const { restorable } = (await response.json()) as { readonly restorable: { readonly to: string | null } };
      return Date.parse(restorable.to ?? '');
    };
    await caughtUp('quiet');
    const quietAtMs = Date.now();
    await until(async () => (await restorableTo()) > quietAtMs, 'quiet partitions were vouched for');
    await system.broker.kill9();
    const killedAtMs = Date.now();
    await agent.says(/in trouble/);
    await sleep(500);
    assert.ok((await restorableTo()) <= killedAtMs);
    await system.broker.restart();
    const backAtMs = Date.now();
    await until(async () => (await restorableTo()) > backAtMs, 'they were vouched for again');
    assertExit(await agent.stop(), 0);
  });

  it('a restore outlives a broker that is killed and comes back', async () => {
    await probe.createTopic('interrupted', { partitions: 2 });
    await probe.produce('interrupted', { records: 12_000, keys: 50, headers: true });
    assertExit(await system.workspace.backup({ backupId: 'interrupted', topics: ['interrupted'] }), 0);
    const target = 'interrupted-restored';
    const agent = await system.workspace.startRestore({
      backupId: 'interrupted',
      topics: { interrupted: target },
      restore: { rate_limit_records_per_sec: 2500, produce_batch_size: 100 },
    });
    await until(() => hasRecords(target, 1000), 'the restore had begun');
    await system.broker.kill9();
    await system.broker.restart();
    const run = await agent.exit();
    assertExit(run, 0);
    assert.equal(restoredRecords(run.summary), 12_000);
    await assertSameRecords({ probe, topic: 'interrupted' }, { probe, topic: target });
  });

  async function hasRecords(topic: string, count: number): Promise<boolean> {
    const ends = await probe.endOffsets(topic).catch(() => new Map<number, bigint>());
    return [...ends.values()].reduce((total, end) => total + Number(end), 0) >= count;
  }

  it('a second agent on one backup is fenced, and every offset is there once', async (context: TestContext) => {
    await probe.createTopic('shared', { partitions: 2 });
    const load = new LiveLoad(probe, 'shared', { recordsPerSecond: 1500 });
    const spec = { backupId: 'shared', topics: ['shared'], backup: EAGER };
    const agents = [await system.workspace.startBackup(spec), await system.workspace.startBackup(spec)];
    await until(async () => agents.some(({ stderr }) => /fenced/.test(stderr)), 'an agent was fenced');
    const produced = await load.stop();
    await caughtUp('shared');
    const runs = await Promise.all(agents.map((agent) => agent.stop()));
    const codes = runs.map(({ exitCode }) => exitCode);
    assert.ok(codes.includes(11), `exit codes ${codes.join(' and ')}\n${runs.map(({ stderr }) => stderr).join('\n')}`);
    assert.ok(codes.every((code) => code === 0 || code === 11));
    assert.equal(await assertWhole('shared'), produced);
    const objects = await storedSegments('shared');
    const fenced = runs.map(({ summary }) => Number(summary['fenced_segments']));
    context.diagnostic(
      `exit codes ${codes.join(' and ')}, fenced segments ${fenced.join(' and ')}, ${objects} objects`,
    );
  });

  /** Segment objects of a backup, whether the catalog names them or not. */
  async function storedSegments(backupId: string): Promise<number> {
    const files = await readdir(join(system.workspace.store, backupId, 'data'), { recursive: true }).catch(() => []);
    return files.filter((file) => /\.log(\.zst|\.lz4)?$/.test(file)).length;
  }

  it('a backup that is told to stop drains, and the next one continues without overlap', async () => {
    await probe.createTopic('drained', { partitions: 2 });
    const load = new LiveLoad(probe, 'drained', { recordsPerSecond: 2000 });
    const spec = { backupId: 'drained', topics: ['drained'] };
    // Nothing is sealed before the signal: all of it is drained.
    const agent = await system.workspace.startBackup({ ...spec, backup: { continuous: true } });
    await sleep(2500);
    const run = await agent.stop();
    assertExit(run, 0);
    assert.ok(Number(run.summary.records) > 0, 'the first agent committed what it held');
    await load.stop();
    const second = await system.workspace.backup(spec);
    assertExit(second, 0);
    assert.ok(Number(second.summary.records) > 0, 'the second agent had the rest to do');
    const compared = await assertWhole('drained');
    assert.equal(Number(run.summary.records) + Number(second.summary.records), compared);
  });

  it('a one-shot backup that is told to stop says that it is incomplete, and the next run completes it', async () => {
    await probe.createTopic('stopped');
    await probe.produce('stopped', { records: 30_000 });
    const spec = { backupId: 'stopped', topics: ['stopped'] };
    const slow = { compression_level: 19, compression_threads: 1, fetch_max_bytes: '64KiB', fetch_min_bytes: 1 };
    const agent = await system.workspace.startBackup({
      ...spec,
      backup: { ...slow, segment_max_bytes: '1MiB', frame_bytes: '256KiB' },
    });
    await until(async () => (await storedSegments('stopped')) > 0, 'the first segment was stored');
    const run = await agent.stop();
    assertExit(run, 3);
    assert.match(String(run.summary.shortfalls), /stopped-0: stopped at offset \d+ of 30000/);
    assertExit(await system.workspace.backup(spec), 0);
    assert.equal(await assertWhole('stopped'), 30_000);
  });

  it('a restore that was killed is carried on by the next one', async () => {
    await probe.createTopic('half');
    await probe.produce('half', { records: 4000 });
    const { workspace } = system;
    assertExit(await workspace.backup({ backupId: 'half', topics: ['half'] }), 0);
    const spec = { backupId: 'half', topics: { half: 'half-restored' } };
    const restore = { rate_limit_records_per_sec: 1000, produce_batch_size: 100 };
    const agent = await workspace.startRestore({ ...spec, restore });
    await until(() => hasRecords('half-restored', 500), 'the restore had begun');
    assert.ok(agent.signal('SIGKILL'));
    await agent.ended;
    // More of this in restore-resume.test.ts.
    assertExit(await workspace.restore(spec), 0);
    await assertSameRecords({ probe, topic: 'half' }, { probe, topic: 'half-restored' });
  });

  it('a restore that is told to stop says so and leaves a prefix of the log', async () => {
    const { workspace } = system;
    const agent = await workspace.startRestore({
      backupId: 'half',
      topics: { half: 'half-stopped' },
      restore: { rate_limit_records_per_sec: 1000, produce_batch_size: 100 },
    });
    await until(() => hasRecords('half-stopped', 500), 'the restore had begun');
    assertExit(await agent.stop(), 130);
    const restored = (await probe.digest('half-stopped')).get(0)!;
    assert.ok(restored.recordCount < 4000);
    const offsets = { 0: { endOffset: BigInt(restored.recordCount) } };
    assert.equal((await probe.digest('half', { offsets })).get(0)?.sha256, restored.sha256);
  });

  it('a continuous backup waits while the disk of the store is full', async (context: TestContext) => {
    await probe.createTopic('full');
    await probe.produce('full', { records: 12_000 });
    const disk = await mountSmallDisk(join(system.workspace.directory, 'disk'), 16 * MIB, MIB / 2);
    const store = disk === undefined ? system.workspace.store : join(disk.path, 'store');
    const spec = { backupId: 'full', topics: ['full'], store, backup: { ...EAGER, compression: 'none' } };
    try {
      // Where nothing can be mounted, no file may be longer than 200 KiB instead.
      const limited = { ...spec, run: { shell: 'ulimit -f 200; exec "$@"' } };
      const agent = await system.workspace.startBackup(disk === undefined ? limited : spec);
      await agent.says(disk === undefined ? /STORE_UNAVAILABLE/ : /STORE_FULL/);
      await sleep(1500);
      assert.ok(agent.isRunning, agent.stderr);
      await disk?.makeRoom();
      if (disk === undefined) await agent.stop();
      const following = disk === undefined ? await system.workspace.startBackup(spec) : agent;
      await system.workspace.catalogUntil('full', (state) => committedOffset(state, 'full') === 12_000n, store);
      assertExit(await following.stop(), 0);
      assert.equal(await assertWhole('full', store), 12_000);
      context.diagnostic(disk === undefined ? 'with a limit on the size of files' : 'with a tmpfs');
    } finally {
      await disk?.remove();
    }
  });

  it('a continuous backup that is told to stop while it cannot store says that it is incomplete', async () => {
    await probe.createTopic('unstored');
    await probe.produce('unstored', { records: 6000 });
    const spec = { backupId: 'unstored', topics: ['unstored'], backup: { ...EAGER, compression: 'none' } };
    const agent = await system.workspace.startBackup({ ...spec, run: { shell: 'ulimit -f 200; exec "$@"' } });
    await agent.says(/EFBIG/);
    const run = await agent.stop();
    assertExit(run, 3);
    assert.match(String(run.summary.shortfalls), /unstored-0: /);
    assertExit(await system.workspace.backup({ ...spec, backup: {} }), 0);
    assert.equal(await assertWhole('unstored'), 6000);
  });

  it('a second signal ends at once a backup that hangs on its way out, and the next run has everything', async () => {
    const partitions = 24;
    await probe.createTopic('hanging', { partitions });
    await probe.produce('hanging', { records: 240, valueBytes: 20 });
    const spec = { backupId: 'hanging', topics: ['hanging'] };
    // Each segment may be stored; the one commit of all of them is too long, and tried again for as long as there is time.
    const backup = { ...EAGER, checkpoint_interval_secs: 600, sync_interval_secs: 600, shutdown_timeout_secs: 60 };
    const run = { shell: 'ulimit -f 8; exec "$@"' };
    let stored = 0;
    for (const [first, second] of [
      ['SIGTERM', 'SIGTERM'],
      ['SIGINT', 'SIGINT'],
    ] as const) {
      const agent = await system.workspace.startBackup({ ...spec, backup, run });
      stored += partitions;
      await until(async () => (await storedSegments('hanging')) === stored, `${stored} segments are stored`);
      agent.signal(first);
      await agent.says(/EFBIG/);
      await sleep(300);
      assert.ok(agent.isRunning, `it would go on trying for a minute\n${agent.stderr}`);
      const signalledAtMs = performance.now();
      agent.signal(second);
      const ended = await agent.exit();
      const waitedMs = performance.now() - signalledAtMs;
      assertExit(ended, 130);
      assert.ok(waitedMs < 5000, `${waitedMs} ms after ${second}`);
      assert.equal(ended.stdout, '');
    }
    assert.equal(committedRecords(await system.workspace.catalog('hanging')), 0);
    assertExit(await system.workspace.backup(spec), 0);
    assert.equal(await assertWhole('hanging'), 240);
  });
});
