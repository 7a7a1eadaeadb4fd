// A backup and its restore through the real process, with S3 for a store: what a consumer sees at the source it sees after the
// restore, however the store ended in between; and what cannot work is refused before anything is fetched.
import assert from 'node:assert/strict';
import { after, before, describe, it } from 'node:test';
import { AgentProcess } from '../support/agent-process.ts';
import { assertExit } from '../support/agent-workspace.ts';
import { type CloudStore, START_CLOUD } from '../support/stores/cloud-stores.ts';
import { FaultProxy } from '../support/stores/fault-proxy.ts';
import { journeyByUrl, journeyThere, journeyThroughOutage, refusedBackup } from '../support/stores/store-journeys.ts';
import { VERSITYGW_KEYS } from '../support/stores/versitygw.ts';
import { SystemFixture } from '../support/system-fixture.ts';

describe('a backup in S3', { timeout: 240_000 }, () => {
  let system: SystemFixture;
  let cloud: CloudStore;

  before(async () => {
    [system, cloud] = await Promise.all([SystemFixture.start(), START_CLOUD.S3()]);
  });

  after(async () => {
    await system?.stop();
    await cloud?.stop();
  });

  it('is restored as it was: small segments in one request each, large ones in parts', () =>
    journeyThere(system, cloud));

  it('waits for a store that is away at the start, and for one that is killed and comes back', () =>
    journeyThroughOutage(system, cloud));

  it('is shown by every command that takes the address of a store', () => journeyByUrl(system, cloud));

  it('is shown with credentials from the environment, as the SDK finds them', async () => {
    const env = { AWS_ACCESS_KEY_ID: VERSITYGW_KEYS.accessKey, AWS_SECRET_ACCESS_KEY: VERSITYGW_KEYS.secretKey };
    const options = { cwd: system.workspace.directory, env };
    const list = await new AgentProcess(['list', '--json', '--path', cloud.url], options).exit();
    assertExit(list, 0);
    const ids = (list.summary.backups as readonly { readonly id: string }[]).map(({ id }) => id);
    assert.ok(ids.includes('plain'), ids.join());
  });

  describe('that cannot be', () => {
    it('for a bucket that is not there', async () => {
      const run = await refusedBackup(system, cloud, { bucket: 'nowhere' });
      assertExit(run, 1);
      assert.equal(run.failure?.code, 'STORE_UNSUITABLE');
      assert.match(run.failure?.message ?? '', /bucket nowhere.*NoSuchBucket.*Create the bucket/);
    });

    it('for a secret that is wrong', async () => {
      const run = await refusedBackup(system, cloud, { secret_key: 'CANARY' });
      assertExit(run, 12);
      assert.equal(run.failure?.code, 'STORE_AUTHENTICATION_FAILED');
      assert.match(run.failure?.message ?? '', /SignatureDoesNotMatch.*Check access_key/);
    });

    it('for an access key that nobody has', async () => {
      const run = await refusedBackup(system, cloud, { access_key: 'nobody' });
      assertExit(run, 12);
      assert.equal(run.failure?.code, 'STORE_AUTHENTICATION_FAILED');
    });

    it('for a bucket of another region', async () => {
      const run = await refusedBackup(system, cloud, { region: 'eu-west-9' });
      assertExit(run, 1);
      assert.equal(run.failure?.code, 'STORE_UNSUITABLE');
      assert.match(run.failure?.message ?? '', /storage\.region eu-west-9: set storage\.region: us-east-1/);
    });

    it('for a store that overwrites what it was told not to', async () => {
      const proxy = await FaultProxy.start(cloud.endpoint(), { keepHost: true });
      // Such a store answers every put with success.
      proxy.decide = ({ method, url }) =>
        method === 'PUT' && url.includes('probe')
          ? { kind: 'answer', status: 200, headers: { etag: '"x"' } }
          : undefined;
      const run = await refusedBackup(system, cloud, { endpoint: `http://${proxy.address}` });
      await proxy.stop();
      assertExit(run, 1);
      assert.equal(run.failure?.code, 'STORE_UNSUITABLE');
      assert.match(run.failure?.message ?? '', /overwrites objects.*Use a store with conditional writes/);
    });
  });
});
