// An estimate against a real broker: what it says of rates, sizes and codecs is what a backup of the same records then is, made in
// one go or while they come.
import assert from 'node:assert/strict';
import { readdir, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { after, before, describe, it } from 'node:test';
import { setTimeout as sleep } from 'node:timers/promises';
import type { CatalogState } from '../../src/catalog/catalog-state.ts';
import { ObjectLayout } from '../../src/catalog/object-layout.ts';
import { FilesystemObjectStore } from '../../src/storage/filesystem/filesystem-object-store.ts';
import { AgentProcess, type AgentRun } from '../support/agent-process.ts';
import { assertExit, committedRecords } from '../support/agent-workspace.ts';
import type { KafkaProbe } from '../support/kafka-probe.ts';
import { SystemFixture } from '../support/system-fixture.ts';

const HOUR_MS = 3_600_000;
const USER = 'agent';
const PASSWORD = 'correct horse';

interface Topic {
  readonly topic: string;
  readonly records_per_day: number;
  readonly kafka_bytes_per_day: number;
  readonly raw_bytes_per_day: number;
  readonly sampled_bytes: number;
  readonly rate_basis_seconds: number | null;
}

interface Codec {
  readonly codec: string;
  readonly level: number | null;
  readonly configured: boolean;
  readonly ratio: number;
  readonly stored_bytes_per_day: number;
  readonly overhead_bytes_per_day: number;
  readonly storage_bytes: number;
  readonly objects_per_day: number;
  readonly puts_per_day: number;
  readonly restore_seconds: number;
}

describe('an estimate', { timeout: 180_000 }, () => {
  let system: SystemFixture;
  let probe: KafkaProbe;

  before(async () => {
    system = await SystemFixture.start({
      listeners: { SASL: 'SASL_PLAINTEXT' },
      properties: {
        'authorizer.class.name': 'org.apache.kafka.metadata.authorizer.StandardAuthorizer',
        'super.users': 'User:ANONYMOUS',
        'listener.name.sasl.sasl.enabled.mechanisms': 'PLAIN',
        'listener.name.sasl.plain.sasl.jaas.config': `org.apache.kafka.common.security.plain.PlainLoginModule required user_${USER}="${PASSWORD}";`,
      },
    });
    ({ probe } = system);
    const nowMs = Date.now();
    // Of two days, half of them in the last one.
    await probe.createTopic('steady', { partitions: 2 });
    const twoDays = { records: 20_000, timestampStepMs: (48 * HOUR_MS) / 20_000 };
    await probe.produce('steady', { ...twoDays, startTimestampMs: nowMs - 48 * HOUR_MS + 60_000 });
    // Six hours old, and compressed by its producer.
    await probe.createTopic('young');
    const hours = { records: 6000, timestampStepMs: (6 * HOUR_MS) / 6000, codec: 'lz4' } as const;
    await probe.produce('young', { ...hours, startTimestampMs: nowMs - 6 * HOUR_MS });
    await probe.createTopic('old');
    await probe.produce('old', { records: 1000, startTimestampMs: nowMs - 72 * HOUR_MS });
    await probe.createTopic('empty');
    const recent = { records: 2000, timestampStepMs: HOUR_MS / 2000, startTimestampMs: nowMs - HOUR_MS };
    for (const topic of ['open', 'listed']) {
      await probe.createTopic(topic);
      await probe.produce(topic, recent);
    }
    await probe.allow(USER, 'open', ['READ', 'DESCRIBE']);
    await probe.allow(USER, 'listed', ['DESCRIBE']);
  });

  after(() => system?.stop());

  async function estimate(topics: readonly string[], ...args: string[]): Promise<AgentRun> {
    return estimateWith({}, topics, ...args);
  }

  async function estimateWith(
    backup: Readonly<Record<string, unknown>>,
    topics: readonly string[],
    ...args: string[]
  ): Promise<AgentRun> {
    return (await startEstimate({ backup }, topics, ...args)).exit();
  }

  /** As a user whom the ACLs bind. */
  async function estimateAsUser(topics: readonly string[], ...args: string[]): Promise<AgentRun> {
    const login = { security_protocol: 'SASL_PLAINTEXT', sasl_mechanism: 'PLAIN', sasl_username: USER };
    const source = {
      bootstrap_servers: [system.broker.listeners.SASL ?? ''],
      security: { ...login, sasl_password: PASSWORD },
    };
    return (await startEstimate({ source }, topics, ...args)).exit();
  }

  async function startEstimate(
    change: { readonly [Section in 'backup' | 'source']?: Readonly<Record<string, unknown>> },
    topics: readonly string[],
    ...args: string[]
  ): Promise<AgentProcess> {
    const { backup = {}, source = {} } = change;
    const { directory } = system.workspace;
    const file = join(directory, 'estimate.yaml');
    const config = {
      ...{
        mode: 'backup',
        backup_id: 'estimated',
        storage: { backend: 'filesystem', path: join(directory, 'unused') },
      },
      source: { bootstrap_servers: [system.broker.bootstrap], topics: { include: topics }, ...source },
      backup,
    };
    await writeFile(file, JSON.stringify(config));
    return new AgentProcess(['estimate', '-c', file, ...args], { cwd: directory });
  }

  const topicsOf = ({ summary }: AgentRun): Topic[] => summary.topics as unknown as Topic[];
  const codecsOf = ({ summary }: AgentRun): Codec[] => summary.codecs as unknown as Codec[];

  function assertNear(found: number, wanted: number, share: number, what: string): void {
    assert.ok(Math.abs(found - wanted) <= wanted * share, `${what}: ${found}, not about ${wanted}`);
  }

  /** What a backup takes, but for its identity and its checkpoints. */
  async function storedIn(
    backupId: string,
  ): Promise<Record<'objects' | 'frameBytes' | 'footerBytes' | 'commitBytes', number>> {
    const sum = { objects: 0, frameBytes: 0, footerBytes: 0, commitBytes: 0 };
    const { incarnations } = await system.workspace.catalog(backupId);
    for (const { partitions } of incarnations) {
      for (const { segments } of partitions.values()) {
        for (const { storedSizeBytes, footerSizeBytes } of segments) {
          sum.objects += 1;
          sum.frameBytes += storedSizeBytes - footerSizeBytes;
          sum.footerBytes += footerSizeBytes;
        }
      }
    }
    const layout = new ObjectLayout(backupId);
    for await (const { key, sizeBytes } of new FilesystemObjectStore(system.workspace.store).list(
      layout.catalogPrefix,
    )) {
      if (layout.versionOfCommit(key) !== undefined) sum.commitBytes += sizeBytes;
    }
    return sum;
  }

  /** All that a backup created in its life, but for its identity: each of these objects takes one request. */
  async function putsOf(backupId: string): Promise<number> {
    let puts = -1;
    const { root } = new ObjectLayout(backupId);
    for await (const _ of new FilesystemObjectStore(system.workspace.store).list(`${root}/`)) puts += 1;
    return puts;
  }

  it('takes rates from the last day, or from as much as there is, and says which', async () => {
    const run = await estimate(['steady', 'young', 'old', 'empty', 'absent'], '--json');
    assertExit(run, 0);
    const [empty, old, steady, young] = topicsOf(run);
    assertNear(steady!.records_per_day, 10_000, 0.01, 'records of steady');
    assert.equal(steady!.rate_basis_seconds, 86_400);
    assertNear(young!.records_per_day, 24_000, 0.02, 'records of young');
    assertNear(young!.rate_basis_seconds!, 21_600, 0.02, 'basis of young');
    assert.ok(young!.raw_bytes_per_day > 2 * young!.kafka_bytes_per_day, 'what its producer compressed');
    assert.deepEqual([old!.records_per_day, old!.sampled_bytes > 0], [0, true]);
    assert.deepEqual([empty!.records_per_day, empty!.sampled_bytes], [0, 0]);
    assert.deepEqual(run.summary.left_out, ['absent']);
    assert.ok(!(await readdir(system.workspace.directory)).includes('unused'), 'the store is not touched');
    const text = await estimate(['steady', 'young']);
    assert.match(text.stdout, /^steady +2 +10,\d\d\d .* the last 24 h$|^steady +2 +9,9\d\d .* the last 24 h$/m);
    assert.match(text.stdout, /^young .* as old as its log is, scaled to a day$/m);
    assert.match(text.stdout, /^TOPIC +PARTITIONS +RECORDS\/DAY +KAFKA GB\/DAY +RAW GB\/DAY +SAMPLE MB +RATE FROM *$/m);
    assert.match(
      text.stdout,
      /^CODEC +RATIO +MB\/S PER CORE +STORED GB\/DAY +OBJECTS\/DAY +PUTS\/DAY +GB IN .+ UPLOAD MBIT\/S +CORES +RESTORE *$/m,
    );
    assert.match(text.stdout, /^zstd 3 +\d+\.\d\d +\d/m);
  });

  it('tells sizes that a backup then has, within the limits of a sample', async () => {
    const run = await estimate(['steady'], '--json', '--retention', '10d', '--bandwidth', '8Mbit/s');
    assertExit(run, 0);
    const codecs = codecsOf(run);
    assert.deepEqual(
      codecs.map(({ codec, level }) => [codec, level]),
      [
        ['none', null],
        ['lz4', null],
        ['zstd', 1],
        ['zstd', 3],
        ['zstd', 6],
      ],
    );
    for (const { codec, level } of [codecs[0]!, codecs[1]!, codecs[3]!]) {
      const backupId = `real-${codec}`;
      const compression = level === null ? { compression: codec } : { compression: codec, compression_level: level };
      const backup = await system.workspace.backup({ backupId, topics: ['steady'], backup: compression });
      assertExit(backup, 0);
      const estimated = codecs.find((one) => one.codec === codec && one.level === level)!;
      // The backup holds two days, in one object a partition instead of one every few minutes.
      const frames = (await storedIn(backupId)).frameBytes;
      const inFrames = estimated.stored_bytes_per_day - estimated.overhead_bytes_per_day;
      assert.ok(inFrames * 2 > frames * 0.95, `${inFrames * 2} bytes of frames with ${codec}, not ${frames}`);
      assert.ok(inFrames * 2 < frames * 1.5, `${inFrames * 2} bytes of frames with ${codec}, not ${frames}`);
      assertNear(estimated.storage_bytes, estimated.stored_bytes_per_day * 10, 0.001, 'storage');
    }
    const none = codecs[0]!;
    assertNear(none.restore_seconds, none.storage_bytes / 1e6, 0.01, 'time of a restore');
    assert.ok(none.puts_per_day > none.objects_per_day);
  });

  it('tells of a slow topic what a backup takes that runs while its records come, footers and commits included', async () => {
    // The hands of this clock go twenty times as fast: what says that it came in ten minutes comes in thirty seconds.
    const HASTE = 20;
    const RECORDS = 240;
    const INTERVAL_SECS = 2;
    const stepMs = 2500;
    await probe.createTopic('slow', { partitions: 2 });
    const agent = await system.workspace.startBackup({
      backupId: 'slow',
      topics: ['slow'],
      backup: {
        continuous: true,
        segment_max_interval_ms: INTERVAL_SECS * 1000,
        checkpoint_interval_secs: INTERVAL_SECS,
        sync_interval_secs: INTERVAL_SECS,
      },
    });
    const realSeconds = (RECORDS * stepMs) / 1000 / HASTE;
    const startTimestampMs = Date.now() + realSeconds * 1000 - RECORDS * stepMs;
    const pace = { recordsPerSecond: (1000 / stepMs) * HASTE, lingerMs: 0 };
    await probe.produce('slow', { records: RECORDS, timestampStepMs: stepMs, startTimestampMs, ...pace });
    const isWhole = (state: CatalogState): boolean => committedRecords(state) === RECORDS;
    await system.workspace.catalogUntil('slow', isWhole);
    agent.signal('SIGTERM');
    assertExit(await agent.exit(), 0);
    const hasty = {
      segment_max_interval_ms: INTERVAL_SECS * HASTE * 1000,
      checkpoint_interval_secs: INTERVAL_SECS * HASTE,
      sync_interval_secs: INTERVAL_SECS * HASTE,
    };
    const run = await estimateWith(hasty, ['slow'], '--json');
    assertExit(run, 0);
    const [topic] = topicsOf(run);
    const zstd = codecsOf(run).find(({ level }) => level === 3)!;
    const stored = await storedIn('slow');
    const share = RECORDS / topic!.records_per_day;
    // Batches that come in pairs, and timers that are late, make fewer objects than there could be.
    const told = (found: number, real: number, what: string): void => {
      assert.ok(found >= real * 0.9 && found <= real * 1.35, `${what}: ${found}, not about ${real}`);
    };
    told(zstd.objects_per_day * share, stored.objects, 'objects');
    told(zstd.puts_per_day * share, await putsOf('slow'), 'puts');
    told(zstd.stored_bytes_per_day * share, stored.frameBytes + stored.footerBytes + stored.commitBytes, 'bytes');
    told(zstd.overhead_bytes_per_day * share, stored.footerBytes + stored.commitBytes, 'bytes besides frames');
    assert.ok(stored.footerBytes > stored.frameBytes * 0.3, 'footers matter here');
  });

  it('does not count a topic as empty that may not be read, and says so by its exit code', async () => {
    const run = await estimateAsUser(['open', 'listed'], '--json');
    assertExit(run, 3);
    assert.deepEqual([topicsOf(run).map(({ topic }) => topic), run.summary.left_out], [['open'], ['listed']]);
    const [because] = run.summary.left_out_because as unknown as readonly Record<string, string>[];
    assert.equal(because?.error, 'KAFKA_AUTHORIZATION_FAILED');
    assert.match(because?.message ?? '', /listed-0 .*TOPIC_AUTHORIZATION_FAILED/);
    assert.match(because?.remedy ?? '', /READ/);
    const text = await estimateAsUser(['open', 'listed']);
    assertExit(text, 3);
    assert.match(text.stdout, /^Left out: listed: .*TOPIC_AUTHORIZATION_FAILED\n {2}-> .*READ/m);
    const nothing = await estimateAsUser(['listed'], '--json');
    assertExit(nothing, 12);
    assert.equal(nothing.failure?.code, 'KAFKA_AUTHORIZATION_FAILED');
  });

  it('says that timestamps tell no rate, instead of a day of nothing', async () => {
    const run = await estimate(['old'], '--json');
    assertExit(run, 0);
    assert.equal(topicsOf(run)[0]?.rate_basis_seconds, null);
    assert.match(String((run.summary.warnings as string[])[0]), /^the rate of old cannot be told: .*CreateTime/);
    const text = await estimate(['old']);
    assert.match(text.stdout, /^Warning: the rate of old cannot be told: .* nothing is said of a day\.$/m);
    assert.doesNotMatch(text.stdout, /^A day: /m);
    // What brokers stamp themselves is as young as its records are.
    await probe.createTopic('stamped', { config: { 'message.timestamp.type': 'LogAppendTime' } });
    await probe.produce('stamped', { records: 100, startTimestampMs: Date.now() - 72 * HOUR_MS });
    const stamped = await estimate(['stamped'], '--json');
    assert.deepEqual(stamped.summary.warnings, []);
    assert.ok(topicsOf(stamped)[0]!.records_per_day > 0);
  });

  it('measures the codec and level that are configured', async () => {
    const run = await estimateWith({ compression_level: 12 }, ['open'], '--json');
    assertExit(run, 0);
    assert.deepEqual(
      codecsOf(run).map(({ codec, level, configured }) => [codec, level, configured]),
      [
        ['none', null, false],
        ['lz4', null, false],
        ['zstd', 1, false],
        ['zstd', 3, false],
        ['zstd', 6, false],
        ['zstd', 12, true],
      ],
    );
  });

  it('ends at once when it is told to, in the midst of its only topic', async () => {
    await probe.createTopic('bulky');
    await probe.produce('bulky', { records: 40_000 });
    for (const signal of ['SIGINT', 'SIGTERM'] as const) {
      // At such a level, 28 MB take ten seconds, and one frame, which is not broken off, a tenth of one.
      const slow = { compression_level: 22, frame_bytes: '256KiB' };
      const agent = await startEstimate({ backup: slow }, ['bulky'], '--json');
      await sleep(2000);
      assert.ok(agent.signal(signal), 'it was done already');
      const signalledAt = performance.now();
      const run = await agent.exit();
      assertExit(run, 130);
      assert.ok(performance.now() - signalledAt < 3000, 'it went on');
      assert.equal(run.failure?.code, 'INTERRUPTED');
    }
  });

  it('reads no more of a topic than it is told to', async () => {
    const run = await estimate(['steady'], '--json', '--sample', '1MB');
    assertExit(run, 0);
    const [{ sampled_bytes: sampled } = { sampled_bytes: 0 }] = topicsOf(run);
    assert.ok(sampled > 500_000 && sampled < 1_500_000, `${sampled} bytes`);
  });

  it('refuses what it does not understand, and a cluster without such topics', async () => {
    for (const args of [
      ['--sample', '64'],
      ['--retention', '30'],
      ['--bandwidth', '1G'],
    ]) {
      const run = await estimate(['steady'], '--json', ...args);
      assertExit(run, 2);
      assert.match(run.failure?.message ?? '', new RegExp(`^${args[0]} "${args[1]}" is not .*; write `));
    }
    const run = await estimate(['absent'], '--json');
    assertExit(run, 1);
    assert.equal(run.failure?.code, 'TOPIC_NOT_FOUND');
  });
});
