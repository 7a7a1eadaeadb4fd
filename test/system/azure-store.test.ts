// A backup and its restore through the real process, with Azure Blob for a store: what a consumer sees at the source it sees after
// the restore, however the agent or the store ended in between; and what cannot work is refused before anything is fetched.
import assert from 'node:assert/strict';
import { after, before, describe, it, type TestContext } from 'node:test';
import { AzureObjectStore } from '../../src/storage/azure/azure-object-store.ts';
import { assertExit } from '../support/agent-workspace.ts';
import { AZURITE_ACCOUNT, type Azurite, startAzurite } from '../support/stores/azurite.ts';
import {
  type CloudStore,
  journeyByUrl,
  journeyOfKills,
  journeyThere,
  journeyThroughOutage,
  refusedBackup,
} from '../support/stores/store-journeys.ts';
import { SystemFixture } from '../support/system-fixture.ts';

const SEED = Number(process.env.KAFKA_BACKUP_TEST_SEED ?? Date.now() % 1_000_000);
const CONTAINER = 'backups';
const PREFIX = 'prod/eu';
const KILLS = 5;

describe('a backup in Azure Blob', { timeout: 240_000 }, () => {
  let system: SystemFixture;
  let azurite: Azurite;
  let cloud: CloudStore;

  before(async () => {
    [system, azurite] = await Promise.all([SystemFixture.start(), startAzurite()]);
    await azurite.createContainer(CONTAINER);
    cloud = {
      server: azurite.server,
      // Azurite writes down every five seconds what it has acknowledged.
      bringDown: () => azurite.server.shutDown(),
      store: new AzureObjectStore(azurite.settings({ container: CONTAINER, prefix: PREFIX })),
      storage: (change = {}) => ({
        backend: 'azure',
        account_name: AZURITE_ACCOUNT.name,
        account_key: AZURITE_ACCOUNT.key,
        container_name: CONTAINER,
        prefix: PREFIX,
        endpoint: azurite.endpoint,
        allow_http: true,
        ...change,
      }),
    };
  });

  after(async () => {
    await cloud?.store.close();
    await system?.stop();
    await azurite?.server.stop();
  });

  it('is restored as it was: small segments in one request each, large ones in blocks', () =>
    journeyThere(system, cloud));

  it('loses nothing and doubles nothing when the agent is killed again and again', async (context: TestContext) => {
    const compared = await journeyOfKills(system, cloud, { kills: KILLS, seed: SEED });
    context.diagnostic(`seed ${SEED}: ${KILLS} kills, ${compared} records compared`);
  });

  it('waits for a store that is killed and comes back, and goes on', () => journeyThroughOutage(system, cloud));

  it('is shown by every command that takes the address of a store', async () => {
    const endpoint = encodeURIComponent(azurite.endpoint);
    const url = `azure://${AZURITE_ACCOUNT.name}/${CONTAINER}/${PREFIX}?endpoint=${endpoint}&allow_http=true`;
    await journeyByUrl(system, url, { KAFKA_BACKUP__STORAGE__ACCOUNT_KEY: AZURITE_ACCOUNT.key });
  });

  describe('that cannot be', () => {
    it('for a container that is not there', async () => {
      const run = await refusedBackup(system, cloud, { container_name: 'nowhere' });
      assertExit(run, 1);
      assert.equal(run.failure?.code, 'STORE_UNSUITABLE');
      assert.match(run.failure?.message ?? '', /container nowhere.*ContainerNotFound.*Create the container/);
    });

    it('for a key that is wrong', async () => {
      const run = await refusedBackup(system, cloud, { account_key: 'CANARY==' });
      assertExit(run, 12);
      assert.equal(run.failure?.code, 'STORE_AUTHENTICATION_FAILED');
      assert.match(run.failure?.message ?? '', /Check account_name and account_key/);
    });

    it('for a key that is none', async () => {
      const run = await refusedBackup(system, cloud, { account_key: 'CANARY, not Base64' });
      assertExit(run, 2);
      assert.equal(run.failure?.code, 'CONFIG_INVALID');
    });

    it('for a shared access signature that is wrong', async () => {
      const sasToken = '?sv=2024-11-04&ss=b&srt=sco&sp=rwdlac&se=2099-01-01T00:00:00Z&sig=CANARY%3D';
      const run = await refusedBackup(system, cloud, { account_key: null, sas_token: sasToken });
      assertExit(run, 12);
      assert.equal(run.failure?.code, 'STORE_AUTHENTICATION_FAILED');
    });
  });
});
