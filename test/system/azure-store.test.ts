// A backup and its restore through the real process, with Azure Blob for a store: what a consumer sees at the source it sees after
// the restore, however the store ended in between; and what cannot work is refused before anything is fetched.
import assert from 'node:assert/strict';
import { after, before, describe, it } from 'node:test';
import { assertExit } from '../support/agent-workspace.ts';
import { type CloudStore, START_CLOUD } from '../support/stores/cloud-stores.ts';
import { journeyByUrl, journeyThere, journeyThroughOutage, refusedBackup } from '../support/stores/store-journeys.ts';
import { SystemFixture } from '../support/system-fixture.ts';

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
