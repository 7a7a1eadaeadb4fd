// A backup that is killed at any moment loses nothing and doubles nothing: the agent follows a topic under load, dies by
// SIGKILL again and again, and in the end every offset is in the catalog exactly once and a restore equals the source.
import { after, before, describe, it, type TestContext } from 'node:test';
import { FilesystemObjectStore } from '../../src/storage/filesystem/filesystem-object-store.ts';
import { journeyOfKills } from '../support/journeys/killed-agents.ts';
import { SystemFixture } from '../support/system-fixture.ts';

const SEED = Number(process.env.KAFKA_BACKUP_TEST_SEED ?? Date.now() % 1_000_000);
const KILLS = 20;

describe('a continuous backup that is killed', { timeout: 150_000 }, () => {
  let system: SystemFixture;

  before(async () => {
    system = await SystemFixture.start();
  });

  after(() => system?.stop());

  it('has every offset exactly once in the end', async (context: TestContext) => {
    const store = new FilesystemObjectStore(system.workspace.store);
    context.diagnostic(await journeyOfKills(system, { name: 'orders', kills: KILLS, seed: SEED, store }));
  });
});
