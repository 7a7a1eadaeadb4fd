// The commands that show and check a backup, as real processes over a backup of a real broker. Kafka's own consumer and its
// log tool judge what they print.
import assert from 'node:assert/strict';
import { spawn } from 'node:child_process';
import { mkdtemp, readdir, readFile, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, before, describe, it } from 'node:test';
import { setTimeout as sleep } from 'node:timers/promises';
import { projectRoot } from '../support/cache.ts';
import { freePorts } from '../support/free-port.ts';
import { type KafkaBroker, startKafka } from '../support/kafka-broker.ts';
import { KafkaProbe, type ListedRecord } from '../support/kafka-probe.ts';

const MAIN = join(projectRoot, 'src', 'main.ts');
const T0 = 1_700_000_000_000;
const TOPIC = 'orders';

interface Finished {
  readonly exitCode: number | null;
  readonly stdout: Buffer;
  readonly stderr: string;
}

// oxlint-disable-next-line typescript/no-explicit-any
type AnyJson = any;

describe('the commands over a stored backup', { timeout: 120_000 }, () => {
  let broker: KafkaBroker;
  let probe: KafkaProbe;
  let directory: string;
  let store: string;
  let topicId: string;

  before(async () => {
    directory = await mkdtemp(join(tmpdir(), 'kafka-backup-cli-'));
    store = join(directory, 'store');
    broker = await startKafka();
    probe = await KafkaProbe.start(broker.bootstrap);
    topicId = await probe.createTopic(TOPIC, { partitions: 2, config: { 'retention.ms': -1 } });
    await fill();
    assertExit(await run('backup', '-c', await configFile({ listen: false, continuous: false })), 0);
  });

  after(async () => {
    await probe?.stop();
    await broker?.stop();
    await rm(directory, { recursive: true, force: true });
  });

  /** Every codec, everything a record can be, transactions that were committed and aborted. */
  async function fill(): Promise<void> {
    for (const codec of ['none', 'gzip', 'snappy', 'lz4', 'zstd'] as const) {
      await probe.produceRecords(
        TOPIC,
        0,
        [
          { key: 'a', value: `plain ${codec}`, timestampMs: T0 },
          { key: null, value: Buffer.from([0xff, 0, 1]), timestampMs: T0 + 1, headers: [{ key: 'h', value: null }] },
          {
            key: '',
            value: null,
            timestampMs: T0 + 2,
            headers: [
              { key: 'h', value: '1' },
              { key: 'h', value: '2' },
            ],
          },
        ],
        { codec },
      );
    }
    const inside = { transactionalId: 'tx' };
    await probe.produceRecords(TOPIC, 0, [{ key: 'kept', value: '1' }], { ...inside, outcome: 'commit' });
    await probe.produceRecords(TOPIC, 0, [{ key: 'never', value: '2' }], { ...inside, outcome: 'abort' });
    await probe.produce(TOPIC, { records: 3000, partitions: [1], codec: 'lz4', keys: 10 });
  }

  async function configFile({ listen, continuous }: { listen: string | false; continuous: boolean }): Promise<string> {
    const file = join(directory, `config-${String(continuous)}.yaml`);
    const config = {
      mode: 'backup',
      backup_id: 'b',
      source: { bootstrap_servers: [broker.bootstrap], topics: { include: [TOPIC] } },
      storage: { backend: 'filesystem', path: store },
      backup: {
        continuous,
        stop_at_current_offsets: !continuous,
        checkpoint_interval_secs: 1,
        segment_max_interval_ms: 1000,
        frame_bytes: 65536,
      },
      control: { listen },
    };
    await writeFile(file, JSON.stringify(config));
    return file;
  }

  /** Runs the command line to its end. */
  function run(...args: readonly string[]): Promise<Finished> {
    return finished(process.execPath, [MAIN, ...args]);
  }

  function finished(program: string, args: readonly string[]): Promise<Finished> {
    const child = spawn(program, args, { cwd: directory, stdio: ['ignore', 'pipe', 'pipe'] });
    const output: Buffer[] = [];
    let stderr = '';
    child.stdout.on('data', (chunk: Buffer) => output.push(chunk));
    child.stderr.setEncoding('utf8').on('data', (text: string) => {
      stderr += text;
    });
    return new Promise((resolve, reject) => {
      child.once('error', reject);
      child.once('close', (exitCode) => resolve({ exitCode, stdout: Buffer.concat(output), stderr }));
    });
  }

  function assertExit({ exitCode, stdout, stderr }: Finished, expected: number): void {
    assert.equal(exitCode, expected, `${stdout.toString().slice(-2000)}\n${stderr.slice(-4000)}`);
  }

  async function json(...args: readonly string[]): Promise<AnyJson> {
    const result = await run(...args, '--path', store, '--backup-id', 'b', '--json');
    assertExit(result, 0);
    return JSON.parse(result.stdout.toString());
  }

  it('list and describe tell what was backed up', async () => {
    const [ends, listed, described] = await Promise.all([probe.endOffsets(TOPIC), json('list'), json('describe')]);
    const [summary] = listed.backups;
    assert.deepEqual([summary.id, summary.cluster_id, summary.gaps], ['b', broker.clusterId, 0]);
    const [life] = described.topics[0].incarnations;
    assert.deepEqual([life.topic_id, life.observed.partitions], [topicId, 2]);
    assert.deepEqual(life.observed.configs, { 'retention.ms': '-1' });
    const nextOffsets = life.partitions.map(({ partition, next_offset }: AnyJson) => [partition, BigInt(next_offset)]);
    assert.deepEqual(new Map(nextOffsets), ends);
  });

  it('cat shows every record as Kafka\u2019s consumer reads it', async () => {
    for (const partition of [0, 1]) {
      const expected = await probe.records(TOPIC, partition, 5000, { isolation: 'read_uncommitted' });
      const result = await run('cat', `${TOPIC}/${partition}`, '--path', store, '--backup-id', 'b');
      assertExit(result, 0);
      const lines = result.stdout.toString().trimEnd().split('\n');
      assert.deepEqual(
        lines.map((line) => seen(JSON.parse(line))),
        expected.map(consumed),
      );
    }
  });

  it('cat --raw gives a log that Kafka\u2019s own tool finds valid', async () => {
    for (const partition of [0, 1]) {
      const result = await run('cat', `${TOPIC}/${partition}`, '--raw', '--path', store, '--backup-id', 'b');
      assertExit(result, 0);
      const file = join(directory, '00000000000000000000.log');
      await writeFile(file, result.stdout);
      const [dump, source] = [await probe.dumpLogSegments(file), await sourceDump(partition)];
      assert.equal(dump.isValid, true, dump.errors.join('\n'));
      const { records, batches, firstOffset, lastOffset } = dump;
      assert.deepEqual({ records, batches, firstOffset, lastOffset }, source);
    }
  });

  /** The broker's own files of the partition, together. */
  async function sourceDump(partition: number) {
    const folder = join(broker.logDir, `${TOPIC}-${partition}`);
    const names = (await readdir(folder)).filter((name) => name.endsWith('.log')).sort();
    const dumps = [];
    for (const name of names) dumps.push(await probe.dumpLogSegments(join(folder, name)));
    return {
      records: dumps.reduce((sum, { records }) => sum + records, 0),
      batches: dumps.reduce((sum, { batches }) => sum + batches, 0),
      firstOffset: dumps[0]!.firstOffset,
      lastOffset: dumps.at(-1)!.lastOffset,
    };
  }

  it('cat ends in peace when its reader has seen enough', async () => {
    const script = `set -o pipefail; "$1" "$2" cat ${TOPIC}/1 --path "$3" --backup-id b | head -n 1`;
    const result = await finished('bash', ['-c', script, 'bash', process.execPath, MAIN, store]);
    assert.deepEqual([result.exitCode, result.stderr], [0, '']);
    assert.equal(JSON.parse(result.stdout.toString()).offset, '0');
  });

  it('an output that cannot be written is no success', async () => {
    const script = `"$1" "$2" cat ${TOPIC}/1 --path "$3" --backup-id b > /dev/full`;
    const result = await finished('bash', ['-c', script, 'bash', process.execPath, MAIN, store]);
    assert.equal(result.exitCode, 1);
    assert.match(result.stderr, /the output could not be written: ENOSPC/);
  });

  it('validate finds the backup sound, and damaged when it is', async () => {
    const [plain, deep, quick] = await Promise.all([
      json('validate'),
      json('validate', '--deep'),
      json('validate', '--quick'),
    ]);
    assert.deepEqual([plain.result, deep.result, deep.problem_count], ['VALID', 'VALID', 0]);
    assert.deepEqual([quick.result, quick.bytes_read], ['VALID by its footers', 0]);
    const folder = join(store, 'b', 'data', TOPIC, topicId, '1');
    const [name = ''] = await readdir(folder);
    const original = await readFile(join(folder, name));
    const damaged = Buffer.from(original);
    damaged[Math.floor(damaged.byteLength / 3)]! ^= 1;
    await writeFile(join(folder, name), damaged);
    const validations = [[], ['--deep']].map((depth) => run('validate', ...depth, '--path', store, '--backup-id', 'b'));
    const results = await Promise.all(validations);
    await writeFile(join(folder, name), original);
    for (const result of results) {
      assertExit(result, 13);
      const text = result.stdout.toString();
      assert.match(
        text,
        new RegExp(`problem OBJECT_CORRUPT: frame \\d+\\.\\.\\d+ of .*${name.replaceAll('.', '\\.')}`),
      );
      assert.match(text, /Result: INVALID: 1 problem\(s\)\n$/);
    }
  });

  it('status tells how the running agent does', async () => {
    const [port] = await freePorts(1);
    const file = await configFile({ listen: `127.0.0.1:${port}`, continuous: true });
    assertExit(await run('status', '-c', file), 20);
    const agent = spawn(process.execPath, [MAIN, 'backup', '-c', file], { cwd: directory, stdio: 'ignore' });
    const ended = new Promise((resolve) => agent.once('close', resolve));
    try {
      let status: AnyJson;
      for (let attempt = 0; attempt < 60 && status?.partitions?.length !== 2; attempt += 1) {
        await sleep(100);
        const result = await run('status', '-c', file, '--json');
        if (result.exitCode === 0) status = JSON.parse(result.stdout.toString());
      }
      const committed = status.partitions.map(({ partition, committed_offset }: AnyJson) => [
        partition,
        BigInt(committed_offset),
      ]);
      assert.deepEqual(new Map(committed), await probe.endOffsets(TOPIC));
      const watching = spawn(process.execPath, [MAIN, 'status', '-c', file, '--watch', '--interval', '1'], {
        stdio: ['ignore', 'pipe', 'ignore'],
      });
      let shown = '';
      watching.stdout.setEncoding('utf8').on('data', (text: string) => {
        shown += text;
        if ((shown.match(/Restorable:/g) ?? []).length === 2) watching.kill('SIGINT');
      });
      const exitCode = await new Promise((resolve) => watching.once('close', resolve));
      assert.equal(exitCode, 0);
      assert.match(shown, /orders +0 +\S+ +\d+/);
    } finally {
      agent.kill('SIGTERM');
      await ended;
    }
  });
});

/** A line of cat, comparable. */
function seen({ offset, timestamp, timestamp_type, key, value, headers }: AnyJson): unknown {
  const bytes = (one: string | { base64: string } | null): string | null =>
    one === null
      ? null
      : typeof one === 'string'
        ? Buffer.from(one).toString('hex')
        : Buffer.from(one.base64, 'base64').toString('hex');
  const pairs = headers.map((header: AnyJson) => [bytes(header.key), bytes(header.value)]);
  return { offset, timestamp, timestamp_type, key: bytes(key), value: bytes(value), headers: pairs };
}

function consumed({ offset, timestampMs, timestampType, key, value, headers }: ListedRecord): unknown {
  const hex = (one: Buffer | null): string | null => one?.toString('hex') ?? null;
  return {
    offset: String(offset),
    timestamp: timestampMs,
    timestamp_type: timestampType,
    key: hex(key),
    value: hex(value),
    headers: headers.map((header) => [Buffer.from(header.key).toString('hex'), hex(header.value)]),
  };
}
