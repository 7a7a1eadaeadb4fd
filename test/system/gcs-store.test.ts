// A backup and its restore through the real process, with Google Cloud Storage for a store: what a consumer sees at the source it
// sees after the restore, however the store ended in between; and what cannot work is refused before anything is
// fetched.
import assert from 'node:assert/strict';
import { after, before, describe, it } from 'node:test';
import { assertExit } from '../support/agent-workspace.ts';
import { type CloudStore, START_CLOUD } from '../support/stores/cloud-stores.ts';
import { journeyByUrl, journeyThere, journeyThroughOutage, refusedBackup } from '../support/stores/store-journeys.ts';
import { SystemFixture } from '../support/system-fixture.ts';

describe('a backup in Google Cloud Storage', { timeout: 240_000 }, () => {
  let system: SystemFixture;
  let cloud: CloudStore;

  before(async () => {
    [system, cloud] = await Promise.all([SystemFixture.start(), START_CLOUD['Google Cloud Storage']()]);
  });

  after(async () => {
    await system?.stop();
    await cloud?.stop();
  });

  it('is restored as it was: small segments in one request each, large ones in chunks', () =>
    journeyThere(system, cloud));

  it('waits for a store that is away at the start, and for one that ends and comes back', () =>
    journeyThroughOutage(system, cloud));

  it('is shown by every command that takes the address of a store', () => journeyByUrl(system, cloud));

  describe('that cannot be', () => {
    it('for a bucket that is not there', async () => {
      const run = await refusedBackup(system, cloud, { bucket: 'nowhere' });
      assertExit(run, 1);
      assert.equal(run.failure?.code, 'STORE_UNSUITABLE');
      assert.match(run.failure?.message ?? '', /bucket nowhere.*404.*Create the bucket/);
    });

    it('for a key file that is not there', async () => {
      const change = { endpoint: null, allow_http: null, service_account_path: '/no/such/key.json' };
      const run = await refusedBackup(system, cloud, change);
      assertExit(run, 2);
      assert.match(run.failure?.message ?? '', /storage\.service_account_path +there is no such file/);
    });
  });
});
