// A restore is planned before it is done: the plan says what would happen, can be carried out by its id for as long as it holds, and
// what was asked for (instants, offsets, versions of the catalog, names, partitions) is what a consumer finds afterwards.
import assert from 'node:assert/strict';
import { after, before, describe, it } from 'node:test';
import { setTimeout as sleep } from 'node:timers/promises';
import type { AgentRun, JsonObject } from '../support/agent-process.ts';
import { assertExit, restoredRecords } from '../support/agent-workspace.ts';
import { assertDigests, assertSameRecords, digestOf } from '../support/compare-topics.ts';
import type { DigestOptions, KafkaProbe } from '../support/kafka-probe.ts';
import { SystemFixture } from '../support/system-fixture.ts';

const T0 = Date.parse('2026-03-01T00:00:00Z');
const RECORDS = 3000;
const STEP_MS = 1000;
const FOREVER_MS = 31_536_000_000_000;
const SMALL_PARTS = { segment_max_bytes: '256KiB', frame_bytes: '64KiB' };

type Settings = Readonly<Record<string, unknown>>;

describe('a restore plan', { timeout: 240_000 }, () => {
  let system: SystemFixture;
  let probe: KafkaProbe;

  before(async () => {
    system = await SystemFixture.start();
    ({ probe } = system);
    for (const topic of ['prod.orders', 'prod.payments-v2']) {
      await probe.createTopic(topic, { partitions: 3, config: { 'retention.ms': FOREVER_MS } });
      await probe.produce(topic, { records: RECORDS, keys: 50, startTimestampMs: T0, timestampStepMs: STEP_MS });
    }
    await backup('plan', ['prod.*']);
  });

  after(() => system?.stop());

  async function backup(backupId: string, topics: readonly string[]): Promise<void> {
    assertExit(await system.workspace.backup({ backupId, topics, backup: SMALL_PARTS }), 0);
  }

  function restore(
    topics: readonly string[],
    settings: Settings = {},
    args: readonly string[] = [],
  ): Promise<AgentRun> {
    return restoreOf('plan', topics, settings, args);
  }

  function restoreOf(
    backupId: string,
    topics: readonly string[],
    settings: Settings,
    args: readonly string[] = [],
  ): Promise<AgentRun> {
    const selected = { topics: { include: topics }, topic_mapping: {}, ...settings };
    return system.workspace.restore({ backupId, topics: {}, restore: selected, args });
  }

  async function assertSame(topic: string, target: string, options: DigestOptions = {}): Promise<number> {
    return assertSameRecords({ probe, topic, options }, { probe, topic: target });
  }

  async function assertNoTopic(topic: string): Promise<void> {
    await assert.rejects(probe.describeTopic(topic), /UnknownTopicOrPartition/);
  }

  function assertRefused(run: AgentRun, exitCode: number, message: RegExp): void {
    assertExit(run, exitCode);
    assert.match(run.failure?.message ?? '', message);
  }

  describe('that was shown', () => {
    it('tells per partition what would be restored, and writes nothing', async () => {
      const to = String(T0 + (RECORDS / 2) * STEP_MS);
      const mapping = { topic_mapping: { 'prod.orders': 'shown' } };
      const run = await restore(['prod.orders'], mapping, ['--dry-run', '--to', to, '--bandwidth', '1KiB/s']);
      assertExit(run, 0);
      const { plan, estimate } = run.summary as { plan: JsonObject; estimate: JsonObject };
      const [topic] = plan['topics'] as readonly JsonObject[];
      const partitions = topic!['partition_plans'] as readonly JsonObject[];
      assert.deepEqual(
        partitions.map(({ partition, target_partitions, first_offset }) => [
          partition,
          target_partitions,
          first_offset,
        ]),
        [0, 1, 2].map((partition) => [partition, [partition], '0']),
      );
      const planned = partitions.reduce((total, { records }) => total + Number(records), 0);
      assert.ok(Math.abs(planned - RECORDS / 2) < RECORDS / 10, `${planned} records planned`);
      assert.ok(Number(topic!['bytes_to_read']) < Number(topic!['stored_bytes']) * 1.01);
      assert.equal(Math.round(Number(estimate['seconds'])), Math.round(Number(topic!['bytes_to_read']) / 1024));
      assert.match(run.stderr, new RegExp(`recovery target: ${new Date(Number(to)).toISOString()}`));
      for (const line of run.stderr.trim().split('\n')) assert.doesNotThrow(() => JSON.parse(line), line);
      await assertNoTopic('shown');
    });

    it('is what validate-restore prints, as text and as JSON, and writes nothing', async () => {
      const spec = { backupId: 'plan', topics: { 'prod.orders': 'asked' }, command: 'validate-restore' } as const;
      const text = await system.workspace.restore({ ...spec, asText: true });
      assertExit(text, 0);
      const [, id] = /^Restore plan ([0-9a-f]{12}) {3}backup plan at version \d+ -> default\n/.exec(text.stdout) ?? [];
      assert.match(text.stdout, /\nprod\.orders +3 +asked \(create, 3 partitions\) +3,000 /);
      assert.match(text.stdout, /Checks {2}ok \d+ {3}warn \d+ {3}block 0\n/);
      const json = await system.workspace.restore(spec);
      assertExit(json, 0);
      assert.equal(planIdOf(json), id);
      await assertNoTopic('asked');
    });

    it('is blocked by validate-restore with exit code 4, as text and as JSON, and the target stays as it was', async () => {
      const topics = { 'prod.orders': 'prod.payments-v2' };
      const before = [await probe.describeTopic('prod.payments-v2'), await probe.endOffsets('prod.payments-v2')];
      const spec = { backupId: 'plan', topics, command: 'validate-restore' } as const;
      const text = await system.workspace.restore({ ...spec, asText: true });
      assertExit(text, 4);
      assert.match(text.stdout, /Checks {2}ok \d+ {3}warn \d+ {3}block 1\n/);
      assert.match(text.stdout, /prod\.payments-v2 is not empty/);
      const json = await system.workspace.restore(spec);
      assertExit(json, 4);
      const { checks } = json.summary['plan'] as { readonly checks: readonly Readonly<Record<string, string>>[] };
      const blocks = checks.filter(({ level }) => level === 'block');
      assert.equal(blocks.length, 1);
      assert.match(blocks[0]!['message']!, /prod\.payments-v2 is not empty/);
      const after = [await probe.describeTopic('prod.payments-v2'), await probe.endOffsets('prod.payments-v2')];
      assert.deepEqual(after, before);
    });

    it('is carried out by its id, by which a second attempt finds that it is done', async () => {
      const mapping = { topic_mapping: { 'prod.orders': 'agreed' } };
      const to = String(T0 + 1000 * STEP_MS);
      const planId = await planned(['prod.orders'], mapping, ['--to', to]);
      const run = await restoreOf('plan', [], {}, ['--plan', planId]);
      assertExit(run, 0);
      assert.equal(
        await assertSame('prod.orders', 'agreed', { toTimestampMs: Number(to) }),
        restoredRecords(run.summary),
      );
      const [found, ends] = [await digestOf({ probe, topic: 'agreed' }), await probe.endOffsets('agreed')];
      const again = await restoreOf('plan', [], {}, ['--plan', planId]);
      assertExit(again, 0);
      assert.match(again.stderr, /was complete already: nothing was sent/);
      assert.equal(again.summary['id'], run.summary['id']);
      assert.deepEqual(await probe.endOffsets('agreed'), ends);
      assert.deepEqual(await digestOf({ probe, topic: 'agreed' }), found);
    });

    it('no longer holds once the target has changed', async () => {
      await probe.createTopic('changing', { partitions: 3 });
      const planId = await planned(['prod.orders'], { topic_mapping: { 'prod.orders': 'changing' } });
      await probe.produce('changing', { records: 1 });
      const run = await restoreOf('plan', [], {}, ['--plan', planId]);
      assertRefused(
        run,
        4,
        /no longer holds.*target topic changing: was id .* with log ends 0, 0, 0, is id .* with log ends/,
      );
      const digest = await digestOf({ probe, topic: 'changing' });
      assert.equal(
        [...digest.values()].reduce((total, { recordCount }) => total + recordCount, 0),
        1,
      );
    });

    it('no longer holds once the configuration of a target topic has changed', async () => {
      await probe.createTopic('tuned', { partitions: 3 });
      const planId = await planned(['prod.orders'], { topic_mapping: { 'prod.orders': 'tuned' } });
      await probe.alterTopicConfig('tuned', { 'retention.ms': 1000 });
      const run = await restoreOf('plan', [], {}, ['--plan', planId]);
      assertRefused(
        run,
        4,
        /no longer holds.*target topic tuned: was id \S+ with log ends 0, 0, 0, is .* and retention\.ms=1000/,
      );
    });

    it('no longer holds for the latest state once the backup has grown, but for an instant it does', async () => {
      await probe.createTopic('growing', { config: { 'retention.ms': FOREVER_MS } });
      await probe.produce('growing', { records: 500, startTimestampMs: T0 });
      await backup('growing', ['growing']);
      const plan = async (target: string, args: readonly string[]): Promise<string> => {
        const run = await restoreOf('growing', ['growing'], { topic_mapping: { growing: target } }, [
          '--dry-run',
          ...args,
        ]);
        assertExit(run, 0);
        return planIdOf(run);
      };
      const latest = await plan('growing-latest', []);
      const instant = await plan('growing-instant', ['--to', String(T0 + 400)]);
      await probe.produce('growing', { records: 500, firstIndex: 500, startTimestampMs: T0 + 1000 });
      await backup('growing', ['growing']);
      const stale = await restoreOf('growing', [], {}, ['--plan', latest]);
      assertRefused(stale, 4, /no longer holds.*partition growing\/0: was 1 object/);
      await assertNoTopic('growing-latest');
      assertExit(await restoreOf('growing', [], {}, ['--plan', instant]), 0);
      await assertSame('growing', 'growing-instant', { toTimestampMs: T0 + 400 });
    });

    it('is not known by another id, nor together with flags that say something else', async () => {
      assertRefused(await restoreOf('plan', [], {}, ['--plan', '0123456789ab']), 2, /knows no plan "0123456789ab"/);
      const run = await restoreOf('plan', [], {}, ['--plan', '0123456789ab', '--to', '-1h']);
      assertRefused(run, 2, /leave out the other flags/);
    });
  });

  describe('restores', () => {
    it('topics under names that rules give', async () => {
      const topic_mapping = { '~prod\\.(.*)-v(\\d+)': 'second.$1.$2', 'prefix:prod.': 'first-' };
      assertExit(await restore(['prod.*'], { topic_mapping }), 0);
      assert.equal(await assertSame('prod.orders', 'first-orders'), RECORDS);
      assert.equal(await assertSame('prod.payments-v2', 'second.payments.2'), RECORDS);
    });

    it('selected partitions, under the numbers that they are given', async () => {
      const settings = {
        source_partitions: [0, 2],
        partition_mapping: { 2: 1 },
        topic_mapping: { 'prod.orders': 'selected' },
      };
      assertExit(await restore(['prod.orders'], settings), 0);
      const [source, target] = [
        await digestOf({ probe, topic: 'prod.orders' }),
        await digestOf({ probe, topic: 'selected' }),
      ];
      assert.equal(target.get(0)!.sha256, source.get(0)!.sha256);
      assert.equal(target.get(1)!.sha256, source.get(2)!.sha256);
      assert.equal(target.get(2)!.recordCount, 0);
      assert.ok(source.get(2)!.recordCount > 0);
    });

    it('the offsets of single partitions, from inclusive and to exclusive', async () => {
      const args = ['--offsets', 'prod.orders/0=100..500', '--offsets', 'prod.orders/1=77'];
      const run = await restore(['prod.orders'], { topic_mapping: { 'prod.orders': 'by-offset' } }, args);
      assertExit(run, 0);
      const offsets = { 0: { fromOffset: 100n, endOffset: 500n }, 1: { endOffset: 77n } };
      const compared = await assertSame('prod.orders', 'by-offset', { offsets });
      const whole = (await digestOf({ probe, topic: 'prod.orders' })).get(2)!.recordCount;
      assert.equal(compared, 400 + 77 + whole);
      await assertReport(run, 'by-offset', compared);
    });

    it('every topic to the instant that is said of it', async () => {
      const [to, other] = [T0 + 100_000, T0 + 200_000];
      const args = ['--to', String(to), '--to', `prod.payments-v2=${new Date(other).toISOString()}`];
      const run = await restore(['prod.*'], { topic_mapping: { 'prefix:prod.': 'told-' } }, args);
      assertExit(run, 0);
      assert.ok(run.stderr.includes(`recovery target of prod.payments-v2: ${new Date(other).toISOString()}`));
      assert.equal(await assertSame('prod.orders', 'told-orders', { toTimestampMs: to }), 101);
      assert.equal(await assertSame('prod.payments-v2', 'told-payments-v2', { toTimestampMs: other }), 201);
    });

    it('what was there in local time, and every topic to its own target', async () => {
      const settings = {
        topic_mapping: { 'prefix:prod.': 'timed-' },
        time_zone: 'America/New_York',
        topic_targets: { 'prod.payments-v2': { time_window_end: '2026-02-28 19:30' } },
      };
      const run = await restore(['prod.*'], settings, ['--to', '2026-03-01 01:10', '--tz', 'Europe/Berlin']);
      assertExit(run, 0);
      assert.match(run.stderr, /recovery target: 2026-03-01T00:10:00\.000Z/);
      assert.match(run.stderr, /recovery target of prod\.payments-v2: 2026-03-01T00:30:00\.000Z/);
      const toTimestampMs = T0 + 600_000;
      assert.equal(await assertSame('prod.orders', 'timed-orders', { toTimestampMs }), 601);
      const later = { toTimestampMs: T0 + 1_800_000 };
      assert.equal(await assertSame('prod.payments-v2', 'timed-payments-v2', later), 1801);
    });

    it('a window without reading much more than the window', async () => {
      await probe.createTopic('long', { config: { 'retention.ms': FOREVER_MS } });
      await probe.produce('long', { records: 60_000, startTimestampMs: T0, timestampStepMs: 10 });
      const parts = { segment_max_bytes: '8MiB', frame_bytes: '64KiB' };
      assertExit(await system.workspace.backup({ backupId: 'long', topics: ['long'], backup: parts }), 0);
      const stored = (await system.workspace.catalog('long')).incarnations
        .flatMap(({ partitions }) => [...partitions.values()].flatMap(({ segments }) => segments))
        .reduce((total, { storedSizeBytes }) => total + storedSizeBytes, 0);
      const window = { fromTimestampMs: T0 + 300_000, toTimestampMs: T0 + 305_990 };
      const args = ['--from', String(window.fromTimestampMs), '--to', String(window.toTimestampMs)];
      const run = await restoreOf('long', ['long'], { topic_mapping: { long: 'long-window' } }, args);
      assertExit(run, 0);
      assert.equal(await assertSame('long', 'long-window', window), 600);
      const { last_attempt } = run.summary['report'] as { readonly last_attempt: { readonly bytes_read: number } };
      const bytesRead = last_attempt.bytes_read;
      assert.ok(bytesRead > 0 && bytesRead <= stored * 0.03, `${bytesRead} of ${stored} bytes were read for 1 %`);
    });

    it('what the backup held at a version of its catalog', async () => {
      await probe.createTopic('versions', { partitions: 2, config: { 'retention.ms': FOREVER_MS } });
      await probe.produce('versions', { records: 400, keys: 9, startTimestampMs: T0 });
      await backup('versions', ['versions']);
      const { version } = await system.workspace.catalog('versions');
      const then = await digestOf({ probe, topic: 'versions' });
      // Older than what is there: no instant could tell the two apart.
      await probe.produce('versions', { records: 300, keys: 9, firstIndex: 400, startTimestampMs: T0 - 1000 });
      await backup('versions', ['versions']);
      const settings = { topic_mapping: { versions: 'versions-then' } };
      assertExit(await restoreOf('versions', ['versions'], settings, ['--catalog-version', String(version)]), 0);
      assert.equal(await assertDigests(then, { probe, topic: 'versions' }, { probe, topic: 'versions-then' }), 400);
      const unknown = await restoreOf('versions', ['versions'], settings, ['--catalog-version', '999']);
      assertRefused(unknown, 10, /no catalog version 999/);
    });

    it('topics with the partitions and the configuration that they had at the recovery target, and the overrides', async () => {
      await probe.createTopic('configured', {
        partitions: 2,
        config: { 'retention.ms': FOREVER_MS, 'segment.bytes': 5_000_000, 'max.message.bytes': 2_000_000 },
      });
      await probe.produce('configured', { records: 100 });
      await backup('configured', ['configured']);
      await sleep(20);
      const instant = Date.now();
      await sleep(20);
      await probe.alterTopicConfig('configured', { 'retention.ms': 1000, 'cleanup.policy': 'compact' });
      await probe.addPartitions('configured', 5);
      await backup('configured', ['configured']);
      const settings = {
        topic_mapping: { configured: 'configured-then' },
        topic_configs: { '*': { 'segment.bytes': null }, 'configured-then': { 'min.compaction.lag.ms': 7 } },
      };
      assertExit(await restoreOf('configured', ['configured'], settings, ['--to', String(instant)]), 0);
      const { configs, partitions } = await probe.describeTopic('configured-then');
      assert.equal(partitions, 2);
      assert.deepEqual(configs, {
        'retention.ms': String(FOREVER_MS),
        'max.message.bytes': '2000000',
        'min.compaction.lag.ms': '7',
      });
    });
  });

  describe('warns and blocks before anything is written', () => {
    it('after it has looked at all that a restore needs, whatever is found', async () => {
      await probe.createTopic('looked-orders', { partitions: 3, config: { 'retention.ms': FOREVER_MS } });
      const settings = { topic_mapping: { 'prefix:prod.': 'looked-' } };
      const run = await restore(['prod.*'], settings, ['--dry-run']);
      assertExit(run, 0);
      assert.deepEqual(levelsOf(run), [
        ...['ok target', 'ok topic', 'ok topic', 'ok permission', 'ok partitions', 'ok batch size'],
        ...['ok timestamps', 'ok retention', 'ok codecs', 'ok objects'],
      ]);
      assert.deepEqual(checksOf(run, 'ok', 'topic')[0], 'looked-orders exists and is empty');
      const again = { topic_mapping: { 'prod.orders': 'agreed' } };
      const done = await restore(['prod.orders'], again, ['--dry-run', '--to', String(T0 + 1000 * STEP_MS)]);
      assert.match(checksOf(done, 'ok', 'restore')[0] ?? '', /of this plan is complete/);
    });

    it('refuses a topic that would stamp the records anew, unless it may be filled with their own timestamps', async () => {
      const config = { 'message.timestamp.type': 'LogAppendTime', 'retention.ms': FOREVER_MS };
      await probe.createTopic('stamped', { partitions: 3, config });
      const settings = { topic_mapping: { 'prod.orders': 'stamped' } };
      const args = ['--to', String(T0 + 100_000)];
      assertRefused(
        await restore(['prod.orders'], settings, args),
        4,
        /stamped has message\.timestamp\.type=LogAppendTime, which would replace every timestamp/,
      );
      assert.deepEqual([...(await probe.endOffsets('stamped')).values()], [0n, 0n, 0n]);
      const blocked = await restore(['prod.orders'], settings, ['--dry-run', ...args]);
      assertExit(blocked, 4);
      assert.equal(checksOf(blocked, 'block', 'timestamps').length, 1);
      const allowed = { ...settings, allow_log_append_time: true };
      assertExit(await restore(['prod.orders'], allowed, args), 0);
      assert.equal(await assertSame('prod.orders', 'stamped', { toTimestampMs: T0 + 100_000 }), 101);
      assert.equal((await probe.describeTopic('stamped')).configs['message.timestamp.type'], 'LogAppendTime');
    });

    it('tells with numbers what the retention of the target would delete', async () => {
      await probe.createTopic('aged');
      await probe.produce('aged', { records: 100, startTimestampMs: Date.parse('2020-01-01T00:00:00Z') });
      await probe.produce('aged', { records: 50, firstIndex: 100, startTimestampMs: Date.now() });
      await backup('aged', ['aged']);
      const week = { topic_mapping: { aged: 'aged-copy' }, topic_configs: { '*': { 'retention.ms': 604_800_000 } } };
      const run = await restoreOf('aged', ['aged'], week, ['--dry-run']);
      assertExit(run, 0);
      const [warning] = checksOf(run, 'warn', 'retention');
      assert.match(
        warning ?? '',
        /aged-copy keeps records for 604800000 ms .* of about 150, are deleted .* the oldest is of 2020-01-01/,
      );
      const kept = { topic_mapping: { aged: 'aged-copy' }, topic_configs: { 'aged-copy': { 'retention.ms': -1 } } };
      assert.deepEqual(checksOf(await restoreOf('aged', ['aged'], kept, ['--dry-run']), 'warn', 'retention'), []);
      const little = { ...kept, topic_configs: { 'aged-copy': { 'retention.ms': -1, 'retention.bytes': 60_000 } } };
      const [bytes = ''] = checksOf(await restoreOf('aged', ['aged'], little, ['--dry-run']), 'warn', 'retention');
      assert.match(
        bytes,
        /aged-copy keeps 60000 bytes a partition .*: 1 of 1 partition\(s\) get more, partition 0 about 1\d{5} /,
      );
      const spread = { ...little, repartitioning: { 'aged-copy': { strategy: 'murmur2', target_partitions: 3 } } };
      assert.deepEqual(checksOf(await restoreOf('aged', ['aged'], spread, ['--dry-run']), 'warn', 'retention'), []);
    });

    it('refuses what the target refuses, though it would be put on last', async () => {
      const settings = { topic_mapping: { 'prod.orders': 'refused' } };
      const policy = { ...settings, topic_configs: { refused: { 'cleanup.policy': 'shred' } } };
      assertRefused(
        await restore(['prod.orders'], policy),
        4,
        /refuses to create refused: INVALID_CONFIG.*topic_configs/,
      );
      const replicas = { ...settings, topic_configs: { refused: { 'min.insync.replicas': 2 } } };
      assertRefused(await restore(['prod.orders'], replicas), 4, /min\.insync\.replicas=2 with 1 replica/);
      const factor = { ...settings, default_replication_factor: 3 };
      assertRefused(await restore(['prod.orders'], factor), 4, /refuses to create refused: INVALID_REPLICATION_FACTOR/);
      assertExit(await restore(['prod.orders'], factor, ['--dry-run']), 4);
      await assertNoTopic('refused');
    });

    it('refuses a topic with too few partitions, and one by key with any other number', async () => {
      await probe.createTopic('narrow', { partitions: 2 });
      const settings = { topic_mapping: { 'prod.orders': 'narrow' } };
      assertRefused(await restore(['prod.orders'], settings), 4, /narrow has 2 partition\(s\), 3 are needed/);
      const byKey = { ...settings, repartitioning: { narrow: { target_partitions: 3 } } };
      assertRefused(await restore(['prod.orders'], byKey), 4, /narrow has 2 partition\(s\): by key over 3/);
    });

    it('refuses what the backup does not hold, and what contradicts itself', async () => {
      const cases: readonly (readonly [Settings, readonly string[], number, RegExp])[] = [
        [
          { topics: { include: ['prod.order'] } },
          [],
          4,
          /no topic prod\.order; it holds prod\.orders, prod\.payments-v2/,
        ],
        [{ source_partitions: [3] }, [], 4, /prod\.orders of the backup has no partition 3/],
        [{}, ['--offsets', 'prod.orders/0=99999999'], 4, /asked for \.\.99999999, the backup holds offsets 0\.\./],
        [
          { topics: { include: ['prod.*'] }, topic_mapping: { 'prefix:prod.': 'x-', 'prod.orders': 'x-payments-v2' } },
          [],
          2,
          /topic_mapping sends prod\.orders and prod\.payments-v2 to one topic x-payments-v2/,
        ],
        [{ partition_mapping: { 0: 1 } }, [], 2, /sends partitions 0 and 1 to prod\.orders\/1/],
        [{}, ['--to', String(Date.now() + 3_600_000)], 2, /lies in the future/],
        [{}, ['--from', '2000', '--to', '1000'], 2, /ends before it starts/],
        [{}, ['--to', '2026-03-29 02:30', '--tz', 'Europe/Berlin'], 2, /does not exist in Europe\/Berlin/],
      ];
      for (const [settings, args, exitCode, message] of cases) {
        assertRefused(await restore(['prod.orders'], settings, args), exitCode, message);
      }
    });
  });

  /** What the report says of the target, held against what the broker has there. */
  async function assertReport({ summary }: AgentRun, topic: string, records: number): Promise<void> {
    const report = summary['report'] as { readonly targets: readonly JsonObject[]; readonly last_attempt: JsonObject };
    const ends = await probe.endOffsets(topic);
    assert.equal(report.targets.length, ends.size);
    for (const { partition, first_offset, last_offset, records: count } of report.targets) {
      const end = ends.get(Number(partition))!;
      assert.ok(end > 0n);
      assert.deepEqual([first_offset, last_offset, count], ['0', String(end - 1n), Number(end)]);
    }
    const { duration_ms, records_sent, bytes_sent, ...rates } = report.last_attempt;
    assert.equal(records_sent, records);
    assert.ok(Number(bytes_sent) > records * 50, `${Number(bytes_sent)} bytes sent`);
    const seconds = Number(duration_ms) / 1000;
    assert.ok(Math.abs(Number(rates['records_per_second']) - records / seconds) <= 1);
    assert.ok(Math.abs(Number(rates['bytes_per_second']) - Number(bytes_sent) / seconds) <= 1);
  }

  /** `level name` of everything that was looked at. */
  function levelsOf({ summary }: AgentRun): string[] {
    const { checks } = summary['plan'] as { readonly checks: readonly Readonly<Record<string, string>>[] };
    return checks.map(({ level, name }) => `${level} ${name}`);
  }

  function checksOf(run: AgentRun, level: string, name: string): string[] {
    const { checks } = run.summary['plan'] as { readonly checks: readonly Readonly<Record<string, string>>[] };
    return checks
      .filter((check) => check['level'] === level && check['name'] === name)
      .map((check) => check['message']!);
  }

  async function planned(topics: readonly string[], settings: Settings, args: readonly string[] = []): Promise<string> {
    const run = await restore(topics, settings, ['--dry-run', ...args]);
    assertExit(run, 0);
    return planIdOf(run);
  }

  function planIdOf(run: AgentRun): string {
    return (run.summary['plan'] as { readonly id: string }).id;
  }
});
