// What every cloud store must let the agent do, through its real process and judged by Kafka's own consumer: a round trip of large
// objects, an outage of the store, and being addressed by a URL. Used by the system tests of the stores.
import assert from 'node:assert/strict';
import { writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { it } from 'node:test';
import { setTimeout as sleep } from 'node:timers/promises';
import { ObjectLayout } from '../../../src/catalog/object-layout.ts';
import type { ErrorCode } from '../../../src/model/errors.ts';
import { parseExposition } from '../../unit/telemetry/exposition.ts';
import { AgentProcess, type AgentRun, type JsonObject } from '../agent-process.ts';
import { assertExit, committedOffset } from '../agent-workspace.ts';
import { assertSameRecords } from '../compare-topics.ts';
import { freePort } from '../free-port.ts';
import type { SystemFixture } from '../system-fixture.ts';
import type { CloudStore } from './cloud-stores.ts';
import { type Fault, FaultProxy, type SeenRequest } from './fault-proxy.ts';

type Section = Readonly<Record<string, unknown>>;

/**
 * Segments of one request and of several parts; every record compared, and every request counted, by us and by a proxy between,
 * which drops one of them.
 */
export async function journeyThere({ probe, workspace }: SystemFixture, cloud: CloudStore): Promise<void> {
  const topic = 'plain';
  await probe.createTopic(topic, { partitions: 2 });
  await probe.produce(topic, { records: 60_000, valueBytes: 600, headers: true });
  const backup = { compression: 'none' };
  const proxy = await FaultProxy.start(`http://${cloud.server.address}`, { keepHost: true });
  proxy.once(({ method, url }) => method !== 'GET' && url.includes('/data/'), { kind: 'drop' });
  const store = cloud.storage({ part_size_bytes: '5MiB', endpoint: cloud.endpoint(proxy.address) });
  const run = await workspace.backup({ backupId: topic, topics: [topic], store, backup });
  await proxy.stop();
  assertExit(run, 0);
  const requests = proxy.seen.length;
  assert.ok(requests > 10 && requests < 100, `${requests} requests`);
  assert.equal(run.summary['store_requests'], requests);
  const described = (await byUrl({ workspace }, cloud, 'describe', '--backup-id', topic)).summary;
  const told = described.requests as { readonly total: number; readonly per_stored_gib: number };
  assert.equal(told.total, requests - 1, 'all but the commit that tells of them');
  assert.equal(told.per_stored_gib, Math.round(told.total / (Number(described.stored_bytes) / 2 ** 30)));
  const state = await workspace.catalog(topic, cloud.store);
  const sizes = [...state.incarnations[0]!.partitions.values()].flatMap(({ segments }) =>
    [...segments].map(({ storedSizeBytes }) => storedSizeBytes),
  );
  assert.ok(
    sizes.some((size) => size > 10 * 1024 * 1024),
    `segments of several parts: ${sizes.join()}`,
  );
  const restore = { backupId: topic, topics: { [topic]: `${topic}-restored` }, store: cloud.storage() };
  assertExit(await workspace.restore(restore), 0);
  assert.equal(await assertSameRecords({ probe, topic }, { probe, topic: `${topic}-restored` }), 60_000);
}

/** A store that is away at the start, and one that ends under a continuous backup for longer than one request is patient. */
export async function journeyThroughOutage({ probe, workspace }: SystemFixture, cloud: CloudStore): Promise<void> {
  const topic = 'outage';
  await probe.createTopic(topic);
  await probe.produce(topic, { records: 1000 });
  const backup = { continuous: true, segment_max_interval_ms: 1000, checkpoint_interval_secs: 1 };
  const store = cloud.storage({ retry_timeout_ms: 1000 });
  await cloud.bringDown();
  const listen = `127.0.0.1:${await freePort()}`;
  const spec = { backupId: topic, topics: [topic], store, backup, control: { listen } };
  const agent = await workspace.startBackup(spec);
  await agent.says(/STORE_UNAVAILABLE/);
  await cloud.server.restart();
  await workspace.catalogUntil(topic, (state) => committedOffset(state, topic) === 1000n, cloud.store);
  await cloud.bringDown();
  await probe.produce(topic, { records: 1000, firstIndex: 1000 });
  await sleep(6000);
  assert.ok(agent.isRunning, agent.stderr);
  await assertCircuit(workspace, listen, 'open');
  await cloud.server.restart();
  await workspace.catalogUntil(topic, (state) => committedOffset(state, topic) === 2000n, cloud.store);
  await assertCircuit(workspace, listen, 'closed');
  assertExit(await agent.stop(), 0);
  const restore = { backupId: topic, topics: { [topic]: `${topic}-restored` }, store: cloud.storage() };
  assertExit(await workspace.restore(restore), 0);
  assert.equal(await assertSameRecords({ probe, topic }, { probe, topic: `${topic}-restored` }), 2000);
}

/** Whether the agent takes the store for one that answers, by its metrics and by its status. */
async function assertCircuit(
  { directory }: SystemFixture['workspace'],
  listen: string,
  circuit: 'open' | 'closed',
): Promise<void> {
  const metrics = parseExposition(await (await fetch(`http://${listen}/metrics`)).text());
  const told = metrics.get('kafka_backup_storage_circuit_open')?.samples.map(({ value }) => value);
  assert.deepEqual(told, [circuit === 'open' ? 1 : 0]);
  const file = join(directory, 'status.yaml');
  const nowhere = {
    source: { bootstrap_servers: ['127.0.0.1:9'] },
    storage: { backend: 'filesystem', path: directory },
  };
  await writeFile(file, JSON.stringify({ mode: 'backup', backup_id: 'outage', ...nowhere, control: { listen } }));
  const status = await new AgentProcess(['status', '--json', '-c', file], { cwd: directory }).exit();
  assertExit(status, 0);
  const { store } = status.summary as { readonly store?: JsonObject };
  assert.equal(store?.['circuit'], circuit);
  assert.equal(Number(store['failing_for_seconds']) > 0, circuit === 'open');
}

/** Every command that takes the address of a store, on the backup of {@link journeyThere}. */
export async function journeyByUrl(system: SystemFixture, cloud: CloudStore): Promise<void> {
  const run = (...args: readonly string[]): Promise<AgentRun> => byUrl(system, cloud, ...args);
  const list = await run('list');
  assertExit(list, 0);
  const ids = (list.summary.backups as readonly { readonly id: string }[]).map(({ id }) => id);
  assert.ok(ids.includes('plain'), ids.join());
  assertExit(await run('describe', '--backup-id', 'plain'), 0);
  assertExit(await run('validate', '--deep', '--backup-id', 'plain'), 0);
  assertExit(await run('describe', '--backup-id', 'nothing'), 10);
}

/** A command that takes the address of a store. */
function byUrl(
  { workspace }: Pick<SystemFixture, 'workspace'>,
  { url, env }: CloudStore,
  ...args: readonly string[]
): Promise<AgentRun> {
  return new AgentProcess([...args, '--json', '--path', url], { cwd: workspace.directory, env }).exit();
}

/** A backup that must not begin: nothing is fetched, nothing but the probe is left in the store, and no secret is said. */
export async function refusedBackup(
  { broker, workspace }: SystemFixture,
  cloud: CloudStore,
  change: Section,
): Promise<AgentRun> {
  const fetchesBefore = await broker.fetchRequests();
  const run = await workspace.backup({ backupId: 'refused', topics: ['plain'], store: cloud.storage(change) });
  assert.equal(await broker.fetchRequests(), fetchesBefore, 'nothing was fetched');
  assert.doesNotMatch(run.stderr + run.stdout, /CANARY/);
  const { probe } = new ObjectLayout('refused');
  for await (const { key } of cloud.store.list('refused/')) assert.equal(key, probe);
  await cloud.store.delete(probe);
  return run;
}

/** What makes a store unusable, and how the agent says so. */
export interface Refusal {
  readonly what: string;
  /** What the store is told otherwise. */
  readonly change?: Section;
  /** What happens to each of these requests on their way. */
  readonly fault?: { readonly fits: (request: SeenRequest) => boolean; readonly is: Fault };
  readonly exitCode: number;
  readonly code: ErrorCode;
  /** Names the request, what it was about, and the remedy. */
  readonly says: RegExp;
}

/** Tests that what makes a store unusable is found before anything is fetched. */
export function describeRefusals(
  system: () => SystemFixture,
  cloud: () => CloudStore,
  refusals: readonly Refusal[],
): void {
  for (const { what, change = {}, fault, exitCode, code, says } of refusals) {
    it(`for ${what}`, async () => {
      const proxy = await FaultProxy.start(`http://${cloud().server.address}`, { keepHost: true });
      proxy.decide = (request) => (fault?.fits(request) === true ? fault.is : undefined);
      const endpoint = cloud().endpoint(proxy.address);
      try {
        const run = await refusedBackup(system(), cloud(), { endpoint, ...change });
        assertExit(run, exitCode);
        assert.equal(run.failure?.code, code, run.failure?.message);
        assert.match(run.failure?.message ?? '', says);
      } finally {
        await proxy.stop();
      }
    });
  }
}
