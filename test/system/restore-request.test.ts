// Restores asked for over the control port of a running agent: a request says all that a configuration says, and what it cannot mean
// is refused as a whole, with everything that is wrong. Kafka's own consumer reads what was restored, and the agent's metrics tell
// of all of it.
import assert from 'node:assert/strict';
import { writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { after, before, describe, it } from 'node:test';
import { setTimeout as sleep } from 'node:timers/promises';
import type { AgentProcess, JsonObject } from '../support/agent-process.ts';
import { assertExit, committedRecords } from '../support/agent-workspace.ts';
import { METRICS } from '../../src/telemetry/metric-table.ts';
import { freePorts } from '../support/free-port.ts';
import type { KafkaProbe, ListedRecord } from '../support/kafka-probe.ts';
import { SystemFixture } from '../support/system-fixture.ts';
import { parseExposition } from '../unit/telemetry/exposition.ts';

const TOKEN = 'correct-horse-battery-staple';
const RECORDS = 3000;
const PARTITIONS = 3;
const T0 = 1_700_000_000_000;
const ENDED = ['COMPLETED', 'FAILED', 'CANCELLED'];
const POLL_MS = 100;
const TIMEOUT_MS = 60_000;

describe('a restore asked for over the control port', { timeout: 180_000 }, () => {
  let system: SystemFixture;
  let probe: KafkaProbe;
  let agent: AgentProcess;
  let origin: string;
  let tokenFile: string;
  /** Acknowledged by the target, as the restores themselves say. */
  let restored = 0;

  before(async () => {
    system = await SystemFixture.start();
    ({ probe } = system);
    for (const topic of ['prod.orders', 'prod.payments-v2']) {
      await probe.createTopic(topic, { partitions: PARTITIONS });
      await probe.produce(topic, { records: RECORDS, keys: 50, headers: true, startTimestampMs: T0 });
    }
    const [port] = await freePorts(1);
    tokenFile = join(system.workspace.directory, 'token');
    await writeFile(tokenFile, TOKEN, { mode: 0o600 });
    origin = `http://127.0.0.1:${port}`;
    agent = await system.workspace.startBackup({
      backupId: 'asked',
      topics: ['prod.*'],
      backup: { continuous: true, segment_max_interval_ms: 500, checkpoint_interval_secs: 1, sync_interval_secs: 1 },
      control: { listen: `127.0.0.1:${port}`, token_file: tokenFile },
      target: { bootstrap_servers: [system.broker.bootstrap] },
    });
    await system.workspace.catalogUntil('asked', (state) => committedRecords(state) === 2 * RECORDS);
  });

  after(async () => {
    assertExit(await agent.stop(), 0);
    await system?.stop();
  });

  async function post(
    body: unknown,
    path = '/v1/restores',
    at = origin,
  ): Promise<{ readonly status: number; readonly json: JsonObject }> {
    const headers = { authorization: `Bearer ${TOKEN}`, 'content-type': 'application/json' };
    const response = await fetch(`${at}${path}`, { method: 'POST', headers, body: JSON.stringify(body) });
    return { status: response.status, json: (await response.json()) as JsonObject };
  }

  /** Asks for a restore and waits for its end. */
  async function restore(body: unknown): Promise<JsonObject> {
    const job = await ended(await accepted(body));
    assert.equal(job['state'], 'COMPLETED', JSON.stringify(job['error']));
    return job;
  }

  /** The id of the restore that was begun. */
  async function accepted(body: unknown): Promise<string> {
    const { status, json } = await post(body);
    assert.equal(status, 202, JSON.stringify(json));
    return String(json['id']);
  }

  async function ended(id: string): Promise<JsonObject> {
    const job = await jobWhen(id, ({ state }) => ENDED.includes(String(state)));
    restored += recordsDone(job);
    return job;
  }

  async function jobWhen(id: string, condition: (job: JsonObject) => boolean): Promise<JsonObject> {
    const deadline = Date.now() + TIMEOUT_MS;
    for (;;) {
      const response = await fetch(`${origin}/v1/restores/${id}`);
      const job = (await response.json()) as JsonObject;
      if (condition(job)) return job;
      assert.ok(Date.now() < deadline, `the restore came to that: ${JSON.stringify(job)}`);
      await sleep(POLL_MS);
    }
  }

  async function valuesOf(topic: string): Promise<Map<number, (string | undefined)[]>> {
    const listed = await probe.listTopic(topic);
    return new Map([...listed].map(([partition, records]) => [partition, records.map(valueOf)]));
  }

  it('follows mapping rules, by prefix and by regular expression', async () => {
    const topic_mapping = { 'prefix:prod.orders': 'copy.orders', '~prod[.](.*)-v2': 'copy.$1-v3' };
    const job = await restore({ topic_mapping });
    const topics = (job['plan'] as { topics: readonly JsonObject[] }).topics;
    assert.deepEqual(
      topics.map((one) => one['target_topic']),
      ['copy.orders', 'copy.payments-v3'],
    );
    assert.deepEqual(await valuesOf('copy.orders'), await valuesOf('prod.orders'));
    assert.deepEqual(await valuesOf('copy.payments-v3'), await valuesOf('prod.payments-v2'));
  });

  it('takes partitions, offsets, and other numbers for them', async () => {
    await restore({
      topics: ['prod.orders'],
      topic_mapping: { 'prod.orders': 'chosen' },
      source_partitions: [0, 2],
      topic_configs: { chosen: { 'segment.bytes': 1_234_567 } },
      compression: 'zstd',
      partition_mapping: { 2: 1 },
      offsets: { 'prod.orders': { 0: { from: 10, to: '200' } } },
    });
    const source = await valuesOf('prod.orders');
    const found = await valuesOf('chosen');
    assert.equal((await probe.describeTopic('chosen')).configs['segment.bytes'], '1234567');
    assert.deepEqual(found.get(0), source.get(0)!.slice(10, 200));
    assert.deepEqual(found.get(1), source.get(2));
    assert.deepEqual(found.get(2) ?? [], []);
  });

  it('repartitions by key what a filter wants, up to an instant', async () => {
    const instant = T0 + RECORDS / 2;
    await restore({
      topics: { include: ['prod.orders'] },
      topic_mapping: { 'prod.orders': 'by-key' },
      topic_targets: { 'prod.orders': { time_window_end: instant } },
      filter: { key: '[0-4]$' },
      repartitioning: { 'by-key': { strategy: 'murmur2', target_partitions: 5 } },
    });
    const found = await probe.listTopic('by-key');
    const wanted = (records: readonly ListedRecord[]): ListedRecord[] =>
      records.filter(({ key, timestampMs }) => /[0-4]$/.test(key!.toString()) && timestampMs <= instant);
    const expected = [...(await probe.listTopic('prod.orders')).values()].flatMap(wanted);
    assert.ok(expected.length > 100 && expected.length < RECORDS / 2, `${expected.length} records wanted`);
    const all = [...found.values()].flat();
    assert.deepEqual(new Set(all.map(valueOf)), new Set(expected.map(valueOf)));
    assert.equal(all.length, expected.length);
    const keys = [...new Set(expected.map(({ key }) => key!.toString()))];
    const chosen = await probe.keyPartition(keys, 5);
    for (const [partition, records] of found) {
      for (const { key } of records) assert.equal(chosen[keys.indexOf(key!.toString())], partition);
    }
  });

  it('restores what the backup held at a version of its catalog, as the plan that was shown', async () => {
    const { version } = await system.workspace.catalog('asked');
    const shown = await restore({ topic_mapping: { 'prefix:': 'then-' }, catalog_version: version, dry_run: true });
    const plan = shown['plan'] as { readonly id: string; readonly catalog_version: number };
    assert.equal(plan.catalog_version, version);
    await restore({ plan: plan.id });
    assert.deepEqual(await valuesOf('then-prod.orders'), await valuesOf('prod.orders'));
  });

  it('is refused with everything that is wrong, and writes nothing', async () => {
    const { status, json } = await post({
      tpoic_mapping: { 'prefix:': 'never-' },
      source_partitions: ['all'],
      offsets: { 'prod.orders': { 0: { from: 5, to: 1 } } },
      filter: { key: '(' },
      bootstrap_servers: 'elsewhere:9092',
    });
    assert.equal(status, 400);
    const errors = json['errors'] as readonly { readonly path: string; readonly message: string }[];
    assert.deepEqual(errors.map(({ path }) => path).sort(), [
      'body/bootstrap_servers',
      'body/filter/key',
      'body/offsets',
      'body/source_partitions/0',
      'body/tpoic_mapping',
    ]);
    assert.match(errors.find(({ path }) => path === 'body/tpoic_mapping')!.message, /topic_mapping/);
    await assert.rejects(probe.describeTopic('never-prod.orders'));
  });

  it('is cancelled on request: what was acknowledged stays, nothing follows, and it can be resumed', async () => {
    const id = await accepted({
      topics: ['prod.orders'],
      topic_mapping: { 'prod.orders': 'cancelled' },
      produce_batch_size: 10,
      rate_limit_records_per_sec: 200,
    });
    await jobWhen(id, (job) => recordsDone(job) > 0);
    const { status, json } = await post({}, `/v1/restores/${id}/cancel`);
    assert.deepEqual([status, json['state']], [202, 'CANCELLING']);
    const job = await ended(id);
    assert.equal(job['state'], 'CANCELLED');
    assert.equal((job['links'] as JsonObject)['resume'], `/v1/restores/${id}/resume`);
    const there = async (): Promise<bigint> =>
      [...(await probe.endOffsets('cancelled')).values()].reduce((total, end) => total + end, 0n);
    assert.equal(await there(), BigInt(recordsDone(job)));
    assert.ok(recordsDone(job) < RECORDS, `${recordsDone(job)} records restored`);
    await sleep(500);
    assert.equal(await there(), BigInt(recordsDone(job)));
  });

  it('shows in the metrics, as the backup does: every metric is there, and has moved', async () => {
    const failed = await ended(await accepted({ topics: ['prod.orders'] }));
    assert.equal((failed['error'] as JsonObject)['code'], 'PREFLIGHT_BLOCKED');
    const families = await metricsOf(origin);
    const named = Object.values(METRICS).map(({ name }) => name);
    assert.deepEqual(
      named.filter((name) => !families.has(name)),
      [],
    );
    const total = (name: string, labels: Readonly<Record<string, string>> = {}): number =>
      (families.get(name)?.samples ?? [])
        .filter((sample) => Object.entries(labels).every(([label, value]) => sample.labels[label] === value))
        .reduce((sum, { value }) => sum + value, 0);
    assert.equal(total('kafka_backup_records_total'), 2 * RECORDS);
    assert.equal(total('kafka_backup_restore_records_total'), restored);
    assert.equal(total('kafka_backup_errors_total', { code: 'PREFLIGHT_BLOCKED' }), 1);
    assert.equal(total('kafka_backup_restore_state', { state: 'FAILED' }), 1);
    assert.equal(total('kafka_backup_task_state', { state: 'tailing' }), 2 * PARTITIONS);
    // No gap was found, nothing lags, no worker is busy, and a filesystem has neither circuit nor requests that failed.
    const still = /gap|lag|worker_pool|progress|storage_(errors|circuit|concurrency)/;
    assert.deepEqual(
      named.filter((name) => total(name) <= 0 && !still.test(name)),
      [],
    );
  });

  it('that goes on with an earlier one is that one by the id that it was given too, whatever is asked of it', async () => {
    const asked = {
      topics: ['prod.orders'],
      topic_mapping: { 'prod.orders': 'gone-on-with' },
      produce_batch_size: 10,
      rate_limit_records_per_sec: 1000,
    };
    const cancelled = async (id: string): Promise<JsonObject> => {
      await jobWhen(id, (job) => job['state'] === 'RUNNING' && recordsDone(job) > 0);
      await post({}, `/v1/restores/${id}/cancel`);
      const job = await ended(id);
      assert.equal(job['state'], 'CANCELLED');
      return job;
    };
    const first = await accepted(asked);
    await cancelled(first);
    const second = await accepted(asked);
    assert.notEqual(second, first);
    assert.equal((await cancelled(second))['id'], first);
    const { status, json } = await post({}, `/v1/restores/${second}/resume`);
    assert.deepEqual([status, json['id']], [202, first], JSON.stringify(json));
    // Of its attempts the newest is told, by either id.
    assert.equal((await ended(second))['state'], 'COMPLETED');
    assert.equal((await ended(first))['state'], 'COMPLETED');
  });

  it('of a command shows itself on a port of its own as long as it runs, and begins no other', async () => {
    const [port] = await freePorts(1);
    const own = `http://127.0.0.1:${port}`;
    const command = await system.workspace.startRestore({
      backupId: 'asked',
      topics: { 'prod.orders': 'by-command' },
      restore: { produce_batch_size: 10, rate_limit_records_per_sec: 200 },
      control: { listen: `127.0.0.1:${port}`, token_file: tokenFile },
    });
    const done = async (): Promise<number> =>
      (await metricsOf(own)).get('kafka_backup_restore_records_total')?.samples[0]?.value ?? 0;
    while (command.isRunning && (await done().catch(() => 0)) === 0) await sleep(POLL_MS);
    assert.equal((await fetch(`${own}/readyz`)).status, 200);
    const { restores } = (await (await fetch(`${own}/v1/restores`)).json()) as { restores: readonly JsonObject[] };
    assert.deepEqual(
      restores.map(({ state }) => state),
      ['RUNNING'],
    );
    const refused = await post({ topics: ['prod.orders'] }, '/v1/restores', own);
    assert.deepEqual([refused.status, refused.json['code']], [403, 'FORBIDDEN']);
    const cancelled = await post({}, `/v1/restores/${String(restores[0]!['id'])}/cancel`, own);
    assert.equal(cancelled.status, 202);
    assertExit(await command.exit(), 130);
  });
});

async function metricsOf(origin: string): Promise<ReturnType<typeof parseExposition>> {
  return parseExposition(await (await fetch(`${origin}/metrics`)).text());
}

function recordsDone({ progress }: JsonObject): number {
  return Number((progress as JsonObject | null)?.['records_done'] ?? 0);
}

function valueOf({ value }: ListedRecord): string | undefined {
  return value?.toString();
}
