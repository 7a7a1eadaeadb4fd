// A backup and its restore through the real process, with Azure Blob for a store: what a consumer sees at the source it sees after
// the restore, however the store ended in between; and what cannot work is refused before anything is fetched.
import assert from 'node:assert/strict';
import { writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { after, before, describe, it } from 'node:test';
import { setTimeout as sleep } from 'node:timers/promises';
import { ObjectLayout } from '../../src/catalog/object-layout.ts';
import type { ObjectStore } from '../../src/storage/object-store.ts';
import { AgentProcess } from '../support/agent-process.ts';
import { assertExit } from '../support/agent-workspace.ts';
import { type CloudStore, START_CLOUD } from '../support/stores/cloud-stores.ts';
import { azuriteSignature } from '../support/stores/azurite.ts';
import { type Fault, FaultProxy, type SeenRequest } from '../support/stores/fault-proxy.ts';
import {
  describeRefusals,
  journeyByUrl,
  journeyThere,
  journeyThroughOutage,
} from '../support/stores/store-journeys.ts';
import { SystemFixture } from '../support/system-fixture.ts';

const isList = ({ url }: SeenRequest): boolean => url.includes('comp=list');
const isGet = ({ method, url }: SeenRequest): boolean => method === 'GET' && !url.includes('comp=list');
const isBlock = ({ url }: SeenRequest): boolean => /comp=block(&|$)/.test(url);
const isCommit = ({ url }: SeenRequest): boolean => url.includes('comp=blocklist');
const isDelete = ({ method }: SeenRequest): boolean => method === 'DELETE';
const isPut = ({ method }: SeenRequest): boolean => method === 'PUT';

/** An answer of Azure in the server's stead. */
function answer(status: number, code: string): Fault {
  return { kind: 'answer', status, headers: { 'x-ms-error-code': code } };
}

/** What a put of that key leaves when its process dies: blocks, and no blob. */
async function leaveBlocks(store: ObjectStore, key: string): Promise<void> {
  async function* failing(): AsyncGenerator<Uint8Array> {
    yield Buffer.alloc(2 * 1024 * 1024);
    for (let staged = 0; staged === 0; await sleep(50)) for await (const _ of store.unfinished(key)) staged += 1;
    throw new Error('the process died');
  }
  await assert.rejects(store.putIfAbsent(key, failing()), /the process died/);
}

describe('a backup in Azure Blob', { timeout: 240_000 }, () => {
  let system: SystemFixture;
  let cloud: CloudStore;

  before(async () => {
    [system, cloud] = await Promise.all([SystemFixture.start(), START_CLOUD['Azure Blob']()]);
  });

  after(async () => {
    await system?.stop();
    await cloud?.stop();
  });

  it('is restored as it was: small segments in one request each, large ones in blocks', () =>
    journeyThere(system, cloud));

  it('waits for a store that is away at the start, and for one that ends and comes back', () =>
    journeyThroughOutage(system, cloud));

  it('is shown by every command that takes the address of a store', () => journeyByUrl(system, cloud));

  for (const [when, fault] of [
    ['may not delete', answer(403, 'AuthorizationPermissionMismatch')],
    ['is killed at its first delete', { kind: 'hang' }],
  ] as const) {
    it(`is whole after a prune that ${when}: no empty blob stands where a commit would`, async () => {
      const { probe, workspace, broker } = system;
      const topic = `pruned-${fault.kind}`;
      await probe.createTopic(topic);
      await probe.produce(topic, { records: 1000 });
      const spec = { backupId: topic, topics: [topic], store: cloud.storage() };
      assertExit(await workspace.backup(spec), 0);
      const layout = new ObjectLayout(topic);
      const { version } = await workspace.catalog(topic, cloud.store);
      const next = layout.commit(version + 1);
      for (const key of [next, `${layout.dataPrefix}stuck`]) await leaveBlocks(cloud.store, key);
      await sleep(1500);

      const proxy = await FaultProxy.start(`http://${cloud.server.address}`, { keepHost: true });
      proxy.decide = (request) => (isDelete(request) ? fault : undefined);
      const prune = (endpoint?: string): AgentProcess =>
        new AgentProcess(['prune', '-c', `${topic}.yaml`, '--json', '--older-than', '0s', '--confirm'], {
          cwd: workspace.directory,
          env: endpoint === undefined ? {} : { KAFKA_BACKUP__STORAGE__ENDPOINT: endpoint },
        });
      const source = { bootstrap_servers: [broker.bootstrap], topics: { include: [topic] } };
      const config = { mode: 'backup', backup_id: topic, source, storage: cloud.storage() };
      await writeFile(join(workspace.directory, `${topic}.yaml`), JSON.stringify(config));
      const spoilt = prune(cloud.endpoint(proxy.address));
      while (!proxy.seen.some(isDelete)) await sleep(20);
      if (fault.kind === 'hang') spoilt.signal('SIGKILL');
      const { exitCode } = await spoilt.exit();
      assert.equal(exitCode, fault.kind === 'hang' ? null : 12);
      await proxy.stop();

      assert.equal(await cloud.store.head(next), undefined);
      assert.equal((await workspace.catalog(topic, cloud.store)).version, version);
      const { summary, ...run } = await prune().exit();
      assertExit({ summary, ...run }, 0);
      assert.deepEqual([summary.orphan_count, summary.upload_count, summary.lapsing_count], [1, 0, 1]);
      assertExit(await workspace.backup(spec), 0);
    });
  }

  describe('that cannot be', () => {
    describeRefusals(
      () => system,
      () => cloud,
      [
        {
          what: 'a container that is not there',
          ...{ change: { container_name: 'nowhere' }, exitCode: 1, code: 'STORE_UNSUITABLE' },
          says: /^(ListBlobs|PutBlob|GetBlob) refused\/\S* in container nowhere.*ContainerNotFound.*Create the container, restore it if it was deleted/,
        },
        {
          what: 'a container that is being deleted',
          fault: { fits: () => true, is: answer(409, 'ContainerBeingDeleted') },
          ...{ exitCode: 1, code: 'STORE_UNSUITABLE', says: /container backups.*being deleted: use another, or wait/ },
        },
        {
          what: 'a key that is wrong',
          ...{ change: { account_key: 'CANARY==' }, exitCode: 12, code: 'STORE_AUTHENTICATION_FAILED' },
          says: /Check account_name and account_key/,
        },
        {
          what: 'a key that is none',
          ...{ change: { account_key: 'CANARY, not Base64' }, exitCode: 2, code: 'CONFIG_INVALID' },
          says: /storage\.account_key +the value is not Base64/,
        },
        {
          what: 'an identity where there is no TLS',
          ...{ change: { account_key: null }, exitCode: 2, code: 'CONFIG_INVALID' },
          says: /storage\.endpoint +no identity logs in at an endpoint without TLS/,
        },
        {
          what: 'a shared access signature that is wrong',
          change: {
            account_key: null,
            sas_token: '?sv=2024-11-04&ss=b&srt=sco&sp=rwdlac&se=2099-01-01T00:00:00Z&sig=CANARY%3D',
          },
          ...{ exitCode: 12, code: 'STORE_AUTHENTICATION_FAILED', says: /sas_token/ },
        },
        ...['rcl', 'racl'].map((permissions) => ({
          what: `a shared access signature that lets in small objects only (${permissions})`,
          change: {
            account_key: null,
            sas_token: azuriteSignature('backups', permissions, new Date(Date.now() + 3_600_000)),
          },
          ...{ exitCode: 12, code: 'STORE_AUTHORIZATION_FAILED' as const },
          says: /^PutBlock refused\/probe\.txt in container backups .*permissions r, a, c, w, d and l/,
        })),
        {
          what: 'bytes that change on the way',
          fault: { fits: isPut, is: { kind: 'damage-request' } },
          ...{ exitCode: 13, code: 'STORE_CHECKSUM_MISMATCH', says: /^PutBlob refused\/.*not those that were sent/ },
        },
        ...[
          { operation: 'ListBlobs', fits: isList },
          { operation: 'PutBlob', fits: isPut },
          { operation: 'GetBlob', fits: isGet },
          { operation: 'PutBlock', fits: isBlock },
          { operation: 'PutBlockList', fits: isCommit },
        ].map(({ operation, fits }) => ({
          what: `credentials that may not ${operation}`,
          fault: { fits, is: answer(403, 'AuthorizationPermissionMismatch') },
          ...{ exitCode: 12, code: 'STORE_AUTHORIZATION_FAILED' as const },
          says: new RegExp(`^${operation} refused/\\S* in container backups .*Storage Blob Data Contributor`),
        })),
      ],
    );
  });
});
