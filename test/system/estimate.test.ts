// An estimate against a real broker: what it says of rates, sizes and codecs is what a backup of the same records then is.
import assert from 'node:assert/strict';
import { readdir, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { after, before, describe, it } from 'node:test';
import { AgentProcess, type AgentRun } from '../support/agent-process.ts';
import { assertExit } from '../support/agent-workspace.ts';
import type { KafkaProbe } from '../support/kafka-probe.ts';
import { SystemFixture } from '../support/system-fixture.ts';

const HOUR_MS = 3_600_000;

interface Topic {
  readonly topic: string;
  readonly records_per_day: number;
  readonly kafka_bytes_per_day: number;
  readonly raw_bytes_per_day: number;
  readonly sampled_bytes: number;
  readonly rate_basis_seconds: number;
}

interface Codec {
  readonly codec: string;
  readonly level: number | null;
  readonly ratio: number;
  readonly stored_bytes_per_day: number;
  readonly storage_bytes: number;
  readonly objects_per_day: number;
  readonly puts_per_day: number;
  readonly restore_seconds: number;
}

describe('an estimate', { timeout: 180_000 }, () => {
  let system: SystemFixture;
  let probe: KafkaProbe;

  before(async () => {
    system = await SystemFixture.start();
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
  });

  after(() => system?.stop());

  async function estimate(topics: readonly string[], ...args: string[]): Promise<AgentRun> {
    const { directory } = system.workspace;
    const file = join(directory, 'estimate.yaml');
    const config = {
      ...{
        mode: 'backup',
        backup_id: 'estimated',
        storage: { backend: 'filesystem', path: join(directory, 'unused') },
      },
      source: { bootstrap_servers: [system.broker.bootstrap], topics: { include: topics } },
    };
    await writeFile(file, JSON.stringify(config));
    return new AgentProcess(['estimate', '-c', file, ...args], { cwd: directory }).exit();
  }

  const topicsOf = ({ summary }: AgentRun): Topic[] => summary.topics as unknown as Topic[];
  const codecsOf = ({ summary }: AgentRun): Codec[] => summary.codecs as unknown as Codec[];

  function assertNear(found: number, wanted: number, share: number, what: string): void {
    assert.ok(Math.abs(found - wanted) <= wanted * share, `${what}: ${found}, not about ${wanted}`);
  }

  it('takes rates from the last day, or from as much as there is, and says which', async () => {
    const run = await estimate(['steady', 'young', 'old', 'empty', 'absent'], '--json');
    assertExit(run, 0);
    const [empty, old, steady, young] = topicsOf(run);
    assertNear(steady!.records_per_day, 10_000, 0.01, 'records of steady');
    assert.equal(steady!.rate_basis_seconds, 86_400);
    assertNear(young!.records_per_day, 24_000, 0.02, 'records of young');
    assertNear(young!.rate_basis_seconds, 21_600, 0.02, 'basis of young');
    assert.ok(young!.raw_bytes_per_day > 2 * young!.kafka_bytes_per_day, 'what its producer compressed');
    assert.deepEqual([old!.records_per_day, old!.sampled_bytes > 0], [0, true]);
    assert.deepEqual([empty!.records_per_day, empty!.sampled_bytes], [0, 0]);
    assert.deepEqual(run.summary.left_out, ['absent']);
    assert.ok(!(await readdir(system.workspace.directory)).includes('unused'), 'the store is not touched');
    const text = await estimate(['steady', 'young']);
    assert.match(text.stdout, /^steady +2 +10,\d\d\d .* the last 24 h$|^steady +2 +9,9\d\d .* the last 24 h$/m);
    assert.match(text.stdout, /^young .* as old as its log is, scaled to a day$/m);
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
      const [life] = (await system.workspace.catalog(backupId)).incarnations;
      let storedBytes = 0;
      for (const { segments } of life!.partitions.values()) {
        for (const { storedSizeBytes, footerSizeBytes } of segments) storedBytes += storedSizeBytes - footerSizeBytes;
      }
      const estimated = codecs.find((one) => one.codec === codec && one.level === level)!;
      // The backup holds two days.
      assertNear(estimated.stored_bytes_per_day * 2, storedBytes, 0.05, `stored with ${codec}`);
      assertNear(estimated.storage_bytes, estimated.stored_bytes_per_day * 10, 0.001, 'storage');
    }
    const [topic] = topicsOf(run);
    const none = codecs[0]!;
    assertNear(none.restore_seconds, (topic!.kafka_bytes_per_day * 10) / 1e6, 0.01, 'time of a restore');
    // 5,000 records a day and partition, one each 17 s: a segment of 60 s holds a few.
    assert.ok(none.objects_per_day > 2000 && none.objects_per_day < 3000, `${none.objects_per_day} objects`);
    assert.ok(none.puts_per_day > none.objects_per_day);
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
