// A backup and its restore through the real process, with S3 for a store: what a consumer sees at the source it sees after the
// restore, however the agent or the store ended in between; and what cannot work is refused before anything is fetched.
import assert from 'node:assert/strict';
import { after, before, describe, it, type TestContext } from 'node:test';
import { setTimeout as sleep } from 'node:timers/promises';
import { S3ObjectStore } from '../../src/storage/s3/s3-object-store.ts';
import { AgentProcess, type AgentRun } from '../support/agent-process.ts';
import { assertExit, committedOffset } from '../support/agent-workspace.ts';
import { assertTopicTiling } from '../support/assert-tiling.ts';
import { assertSameRecords } from '../support/compare-topics.ts';
import type { KafkaProbe } from '../support/kafka-probe.ts';
import { LiveLoad } from '../support/live-load.ts';
import { randomNumbers } from '../support/random-numbers.ts';
import { FaultProxy } from '../support/stores/fault-proxy.ts';
import { startVersitygw, VERSITYGW_KEYS, VERSITYGW_REGION, type Versitygw } from '../support/stores/versitygw.ts';
import { SystemFixture } from '../support/system-fixture.ts';

const SEED = Number(process.env.KAFKA_BACKUP_TEST_SEED ?? Date.now() % 1_000_000);
const BUCKET = 'backups';
const PREFIX = 'prod/eu';
const KILLS = 6;

describe('a backup in S3', { timeout: 240_000 }, () => {
  let system: SystemFixture;
  let probe: KafkaProbe;
  let gateway: Versitygw;
  let store: S3ObjectStore;

  before(async () => {
    [system, gateway] = await Promise.all([SystemFixture.start(), startVersitygw()]);
    ({ probe } = system);
    await gateway.createBucket(BUCKET);
    store = new S3ObjectStore(gateway.settings({ bucket: BUCKET, prefix: PREFIX }));
  });

  after(async () => {
    await store?.close();
    await system?.stop();
    await gateway?.server.stop();
  });

  /** Section `storage` of the configuration. */
  function storage(change: Readonly<Record<string, unknown>> = {}) {
    return {
      backend: 's3',
      bucket: BUCKET,
      prefix: PREFIX,
      endpoint: gateway.endpoint,
      region: VERSITYGW_REGION,
      access_key: VERSITYGW_KEYS.accessKey,
      secret_key: VERSITYGW_KEYS.secretKey,
      allow_http: true,
      ...change,
    };
  }

  it('is restored as it was: small segments in one request each, large ones in parts', async () => {
    const { workspace } = system;
    await probe.createTopic('plain', { partitions: 2 });
    await probe.produce('plain', { records: 60_000, valueBytes: 600, headers: true });
    const spec = {
      backupId: 'plain',
      topics: ['plain'],
      store: storage({ part_size_bytes: '5MiB' }),
      backup: { compression: 'none' },
    };
    const run = await workspace.backup(spec);
    assertExit(run, 0);
    const requests = Number(run.summary.storeRequests);
    assert.ok(requests > 10 && requests < 100, `${requests} requests`);
    const state = await workspace.catalog('plain', store);
    const sizes = [...state.incarnations[0]!.partitions.values()].flatMap(({ segments }) =>
      [...segments].map(({ storedSizeBytes }) => storedSizeBytes),
    );
    assert.ok(
      sizes.some((size) => size > 10 * 1024 * 1024),
      `segments of several parts: ${sizes.join()}`,
    );
    const restore = { backupId: 'plain', topics: { plain: 'plain-restored' }, store: storage() };
    assertExit(await workspace.restore(restore), 0);
    const compared = await assertSameRecords({ probe, topic: 'plain' }, { probe, topic: 'plain-restored' });
    assert.equal(compared, 60_000);
  });

  it('loses nothing and doubles nothing when the agent is killed again and again', async (context: TestContext) => {
    const { workspace } = system;
    await probe.createTopic('killed', { partitions: 3 });
    const load = new LiveLoad(probe, 'killed', { recordsPerSecond: 2000, keys: 500, headers: true });
    const spec = {
      backupId: 'killed',
      topics: ['killed'],
      store: storage(),
      backup: {
        continuous: true,
        segment_max_bytes: '1MiB',
        segment_max_interval_ms: 1000,
        frame_bytes: '256KiB',
        checkpoint_interval_secs: 1,
        sync_interval_secs: 1,
      },
    };
    const random = randomNumbers(SEED);
    for (let kill = 0; kill < KILLS; kill += 1) {
      const agent = await workspace.startBackup(spec);
      await sleep(1000 + random() * 2500);
      agent.signal('SIGKILL');
      assert.equal((await agent.ended).signal, 'SIGKILL');
    }
    const produced = await load.stop();
    const ends = await probe.endOffsets('killed');
    const last = await workspace.startBackup(spec);
    await workspace.catalogUntil(
      'killed',
      (state) => [...ends].every(([partition, end]) => committedOffset(state, 'killed', partition) === end),
      store,
    );
    assertExit(await last.stop(), 0);
    assertTopicTiling(await workspace.catalog('killed', store), 'killed', new Map(), ends);
    const restore = { backupId: 'killed', topics: { killed: 'killed-restored' }, store: storage() };
    assertExit(await workspace.restore(restore), 0);
    const compared = await assertSameRecords({ probe, topic: 'killed' }, { probe, topic: 'killed-restored' });
    assert.equal(compared, produced);
    context.diagnostic(`seed ${SEED}: ${KILLS} kills, ${compared} records compared`);
  });

  it('waits for a store that is away at the start, and for one that is killed and comes back', async () => {
    const { workspace } = system;
    await probe.createTopic('outage');
    await probe.produce('outage', { records: 1000 });
    const spec = {
      backupId: 'outage',
      topics: ['outage'],
      // So that the outage is longer than the patience of one request.
      store: storage({ retry_timeout_ms: 1000 }),
      backup: { continuous: true, segment_max_interval_ms: 1000, checkpoint_interval_secs: 1 },
    };
    await gateway.server.kill9();
    const agent = await workspace.startBackup(spec);
    await agent.says(/STORE_UNAVAILABLE/);
    await gateway.server.restart();
    await workspace.catalogUntil('outage', (state) => committedOffset(state, 'outage') === 1000n, store);
    await gateway.server.kill9();
    await probe.produce('outage', { records: 1000, firstIndex: 1000 });
    await sleep(6000);
    assert.ok(agent.isRunning, agent.stderr);
    await gateway.server.restart();
    await workspace.catalogUntil('outage', (state) => committedOffset(state, 'outage') === 2000n, store);
    assertExit(await agent.stop(), 0);
    const restore = { backupId: 'outage', topics: { outage: 'outage-restored' }, store: storage() };
    assertExit(await workspace.restore(restore), 0);
    assert.equal(await assertSameRecords({ probe, topic: 'outage' }, { probe, topic: 'outage-restored' }), 2000);
  });

  it('is shown by every command that takes the address of a store', async () => {
    const url = `s3://${BUCKET}/${PREFIX}?endpoint=${encodeURIComponent(gateway.endpoint)}&allow_http=true`;
    const env = {
      KAFKA_BACKUP__STORAGE__ACCESS_KEY: VERSITYGW_KEYS.accessKey,
      KAFKA_BACKUP__STORAGE__SECRET_KEY: VERSITYGW_KEYS.secretKey,
    };
    const run = (...args: readonly string[]): Promise<AgentRun> =>
      new AgentProcess([...args, '--json', '--path', url], { cwd: system.workspace.directory, env }).exit();
    const list = await run('list');
    assertExit(list, 0);
    const byChain = { AWS_ACCESS_KEY_ID: VERSITYGW_KEYS.accessKey, AWS_SECRET_ACCESS_KEY: VERSITYGW_KEYS.secretKey };
    const options = { cwd: system.workspace.directory, env: byChain };
    const again = await new AgentProcess(['list', '--json', '--path', url], options).exit();
    assert.deepEqual(again.summary, list.summary, again.stderr);
    const ids = (list.summary.backups as readonly { readonly id: string }[]).map(({ id }) => id);
    assert.ok(ids.includes('plain'), ids.join());
    assertExit(await run('describe', '--backup-id', 'plain'), 0);
    assertExit(await run('validate', '--deep', '--backup-id', 'plain'), 0);
    const other = await run('describe', '--backup-id', 'nothing');
    assertExit(other, 10);
  });

  describe('that cannot be', () => {
    async function refused(change: Readonly<Record<string, unknown>>): Promise<AgentRun> {
      const run = await system.workspace.backup({
        backupId: 'refused',
        topics: ['plain'],
        store: storage(change),
      });
      assert.doesNotMatch(run.stderr + run.stdout, /CANARY/);
      assert.deepEqual(await keysUnder('refused/'), []);
      return run;
    }

    async function keysUnder(prefix: string): Promise<string[]> {
      const keys: string[] = [];
      for await (const { key } of store.list(prefix)) keys.push(key);
      return keys;
    }

    it('for a bucket that is not there', async () => {
      const run = await refused({ bucket: 'nowhere' });
      assertExit(run, 1);
      assert.equal(run.failure?.code, 'STORE_UNSUITABLE');
      assert.match(run.failure?.message ?? '', /bucket nowhere.*NoSuchBucket.*Create the bucket/);
    });

    it('for a secret that is wrong', async () => {
      const run = await refused({ secret_key: 'CANARY' });
      assertExit(run, 12);
      assert.equal(run.failure?.code, 'STORE_AUTHENTICATION_FAILED');
      assert.match(run.failure?.message ?? '', /SignatureDoesNotMatch.*Check access_key/);
    });

    it('for an access key that nobody has', async () => {
      const run = await refused({ access_key: 'nobody' });
      assertExit(run, 12);
      assert.equal(run.failure?.code, 'STORE_AUTHENTICATION_FAILED');
    });

    it('for a bucket of another region', async () => {
      const run = await refused({ region: 'eu-west-9' });
      assertExit(run, 1);
      assert.equal(run.failure?.code, 'STORE_UNSUITABLE');
      assert.match(run.failure?.message ?? '', /storage\.region eu-west-9: set storage\.region: us-east-1/);
    });

    it('for a store that overwrites what it was told not to', async () => {
      const proxy = await FaultProxy.start(gateway.endpoint, { keepHost: true });
      // Such a store answers every put with success.
      proxy.decide = ({ method, url }) =>
        method === 'PUT' && url.includes('probe')
          ? { kind: 'answer', status: 200, headers: { etag: '"x"' } }
          : undefined;
      const run = await refused({ endpoint: `http://${proxy.address}` });
      await proxy.stop();
      assertExit(run, 1);
      assert.equal(run.failure?.code, 'STORE_UNSUITABLE');
      assert.match(run.failure?.message ?? '', /overwrites objects.*Use a store with conditional writes/);
    });
  });
});
