// A backup and its restore through the real process, with Google Cloud Storage for a store: what a consumer sees at the source it
// sees after the restore, however the agent or the store ended in between; and what cannot work is refused before anything is
// fetched.
import assert from 'node:assert/strict';
import { after, before, describe, it, type TestContext } from 'node:test';
import { GcsObjectStore } from '../../src/storage/gcs/gcs-object-store.ts';
import { assertExit } from '../support/agent-workspace.ts';
import { type FakeGcs, startFakeGcs } from '../support/stores/fake-gcs.ts';
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
const BUCKET = 'backups';
const PREFIX = 'prod/eu';
const KILLS = 5;

describe('a backup in Google Cloud Storage', { timeout: 240_000 }, () => {
  let system: SystemFixture;
  let gcs: FakeGcs;
  let cloud: CloudStore;

  before(async () => {
    [system, gcs] = await Promise.all([SystemFixture.start(), startFakeGcs()]);
    await gcs.createBucket(BUCKET);
    cloud = {
      server: gcs.server,
      bringDown: () => gcs.server.kill9(),
      store: new GcsObjectStore(gcs.settings({ bucket: BUCKET, prefix: PREFIX })),
      storage: (change = {}) => ({
        backend: 'gcs',
        bucket: BUCKET,
        prefix: PREFIX,
        endpoint: gcs.endpoint,
        allow_http: true,
        ...change,
      }),
    };
  });

  after(async () => {
    await cloud?.store.close();
    await system?.stop();
    await gcs?.server.stop();
  });

  it('is restored as it was: small segments in one request each, large ones in chunks', () =>
    journeyThere(system, cloud));

  it('loses nothing and doubles nothing when the agent is killed again and again', async (context: TestContext) => {
    const compared = await journeyOfKills(system, cloud, { kills: KILLS, seed: SEED });
    context.diagnostic(`seed ${SEED}: ${KILLS} kills, ${compared} records compared`);
  });

  it('waits for a store that is killed and comes back, and goes on', () => journeyThroughOutage(system, cloud));

  it('is shown by every command that takes the address of a store', async () => {
    const endpoint = encodeURIComponent(gcs.endpoint);
    await journeyByUrl(system, `gs://${BUCKET}/${PREFIX}?endpoint=${endpoint}&allow_http=true`, {});
  });

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
