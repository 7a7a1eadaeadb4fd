// A backup that is killed at any moment loses nothing and doubles nothing: the agent follows a topic under load, dies by
// SIGKILL again and again, and in the end every offset is in the catalog exactly once and a restore equals the source.
import { after, before, describe, it, type TestContext } from 'node:test';
import { journeyOfKills } from '../../support/journeys/killed-agents.ts';
import type { SuitePlace, SystemFixture } from '../../support/system-fixture.ts';

const SEED = Number(process.env.KAFKA_BACKUP_TEST_SEED ?? Date.now() % 1_000_000);
const KILLS = 20;

export function describeBackupKills({ name, timeoutMs, start }: SuitePlace): void {
  describe(name, { timeout: timeoutMs }, () => {
    let system: SystemFixture;

    before(async () => {
      system = await start();
    });

    after(() => system?.stop());

    it('has every offset exactly once in the end', async (context: TestContext) => {
      context.diagnostic(await journeyOfKills(system, { name: 'orders', kills: KILLS, seed: SEED }));
    });
  });
}
