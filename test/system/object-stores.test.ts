// What a backup on disk holds, it holds in S3, Azure Blob and Google Cloud Storage: the same topics of every codec, batch shape and
// transaction, written once; points in time; and agents that are killed. Kafka's own consumer compares.
import assert from 'node:assert/strict';
import { after, before, describe, it, type TestContext } from 'node:test';
import { assertExit, droppedRecords, restoredRecords } from '../support/agent-workspace.ts';
import { assertDigests, assertSameRecords, digestOf } from '../support/compare-topics.ts';
import { fillFidelityTopics } from '../support/journeys/fidelity-topics.ts';
import { journeyOfKills } from '../support/journeys/killed-agents.ts';
import { fillDecided, fillTimed, SMALL_PARTS, TIMED_RESTORES, TIMED_TOPICS } from '../support/journeys/timed-topics.ts';
import type { KafkaProbe, PartitionDigest } from '../support/kafka-probe.ts';
import { type CloudName, type CloudStore, START_CLOUD } from '../support/stores/cloud-stores.ts';
import { SystemFixture } from '../support/system-fixture.ts';

const SEED = Number(process.env.KAFKA_BACKUP_TEST_SEED ?? Date.now() % 1_000_000);
/** As many as there is time for in every run; twenty of each with each store are in the stage `large`. */
const KILLS = 3;
const RESTORE_KILLS = 1;
const NAMES = Object.keys(START_CLOUD) as CloudName[];

describe('a backup in an object store', { timeout: 400_000 }, () => {
  let system: SystemFixture;
  let probe: KafkaProbe;
  let clouds: ReadonlyMap<CloudName, CloudStore>;
  let sources: ReadonlyMap<string, ReadonlyMap<number, PartitionDigest>>;
  let instant = 0;

  before(async () => {
    const starting = Promise.all(
      NAMES.map(async (name): Promise<[CloudName, CloudStore]> => [name, await START_CLOUD[name]()]),
    );
    system = await SystemFixture.start();
    ({ probe } = system);
    let topics: string[];
    [topics, instant] = await Promise.all([fillFidelityTopics(probe), fillDecided(probe), fillTimed(probe)]);
    clouds = new Map(await starting);
    for (const cloud of clouds.values()) await backUp(cloud, topics);
    // What a consumer sees beyond the open transaction, it sees when that one is undone.
    await probe.txAbort('open');
    sources = new Map(
      await Promise.all(
        topics.map(
          async (topic): Promise<[string, Map<number, PartitionDigest>]> => [topic, await digestOf({ probe, topic })],
        ),
      ),
    );
  });

  after(async () => {
    await system?.stop();
    for (const cloud of clouds?.values() ?? []) await cloud.stop();
  });

  async function backUp(cloud: CloudStore, topics: readonly string[]): Promise<void> {
    const store = cloud.storage();
    const backup = { segment_max_bytes: '4MiB', frame_bytes: '128KiB' };
    assertExit(await system.workspace.backup({ backupId: 'all', topics, store, backup }), 0);
    const timed = [...TIMED_TOPICS, 'decided'];
    assertExit(await system.workspace.backup({ backupId: 'timed', topics: timed, store, backup: SMALL_PARTS }), 0);
  }

  for (const name of NAMES) {
    describe(`(${name})`, () => {
      let cloud: CloudStore;
      let storage: Readonly<Record<string, unknown>>;

      before(() => {
        cloud = clouds.get(name)!;
        storage = cloud.storage();
      });

      /** Names of the targets, which no other store uses. */
      const targetOf = (topic: string, suffix = 'restored'): string =>
        `${topic}-${suffix}-${name.replaceAll(' ', '-')}`;

      it('holds every topic as its consumers saw it, with its partitions and configuration', async () => {
        const topics = Object.fromEntries([...sources.keys()].map((topic) => [topic, targetOf(topic)]));
        const run = await system.workspace.restore({ backupId: 'all', topics, store: storage });
        assertExit(run, 0);
        let compared = 0;
        for (const [topic, source] of sources) {
          const target = targetOf(topic);
          compared += await assertDigests(source, { probe, topic }, { probe, topic: target });
          const { configs, partitions } = await probe.describeTopic(target);
          const described = await probe.describeTopic(topic);
          assert.deepEqual({ configs, partitions }, { configs: described.configs, partitions: described.partitions });
        }
        assert.ok(compared > 50_000, `${compared} records`);
        assert.equal(restoredRecords(run.summary), compared);
        const dropped = droppedRecords(run.summary);
        assert.equal(dropped['undecided-transaction'], 40);
        assert.ok((dropped['aborted-transaction'] ?? 0) >= 480, JSON.stringify(dropped));
      });

      it('holds what was there at an instant, in a window, and before the first record past an instant', async () => {
        for (const [how, { expected, ...asked }] of Object.entries(TIMED_RESTORES)) {
          const topics = Object.fromEntries(TIMED_TOPICS.map((topic) => [topic, targetOf(topic, how)]));
          const run = await system.workspace.restore({ backupId: 'timed', topics, store: storage, ...asked });
          assertExit(run, 0);
          let compared = 0;
          for (const topic of TIMED_TOPICS) {
            const target = { probe, topic: targetOf(topic, how) };
            compared += await assertSameRecords({ probe, topic, options: expected }, target);
          }
          assert.ok(compared > 0);
          assert.equal(restoredRecords(run.summary), compared);
        }
        const target = targetOf('decided');
        const args = ['--to', String(instant)];
        const run = await system.workspace.restore({
          backupId: 'timed',
          topics: { decided: target },
          args,
          store: storage,
        });
        assertExit(run, 0);
        assert.equal(await assertSameRecords({ probe, topic: 'decided-expected' }, { probe, topic: target }), 15);
      });

      it('loses nothing and doubles nothing when backup and restore are killed', async (context: TestContext) => {
        const kills = { kills: KILLS, restoreKills: RESTORE_KILLS, seed: SEED };
        const killed = { name: targetOf('orders', 'killed'), place: cloud };
        context.diagnostic(await journeyOfKills(system, { ...killed, ...kills }));
      });
    });
  }
});
