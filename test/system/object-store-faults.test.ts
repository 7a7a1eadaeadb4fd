// The network between the agent and its store as networks are: slow, narrow, broken off in the middle of requests and of answers,
// reset, silent; and stores that ask for patience. A continuous backup under load lives through all of it in each of the three
// stores, every offset is in the catalog exactly once, and a restore over connections that break equals the source.
import assert from 'node:assert/strict';
import { createHash } from 'node:crypto';
import { after, before, describe, it, type TestContext } from 'node:test';
import { setTimeout as sleep } from 'node:timers/promises';
import type { SegmentSummary } from '../../src/model/segment/segment.ts';
import { readFooter } from '../../src/segment/segment-reader.ts';
import type { AgentProcess } from '../support/agent-process.ts';
import { assertExit, committedOffset } from '../support/agent-workspace.ts';
import { assertTopicTiling } from '../support/assert-tiling.ts';
import { assertDigests, digestOf } from '../support/compare-topics.ts';
import type { KafkaProbe } from '../support/kafka-probe.ts';
import { LiveLoad } from '../support/live-load.ts';
import { randomNumbers } from '../support/random-numbers.ts';
import { type CloudName, type CloudStore, START_CLOUD } from '../support/stores/cloud-stores.ts';
import { backUpForRestores, restoreOfDamagedRange, TroubledRestore } from '../support/journeys/troubled-restores.ts';
import { type Fault, FaultProxy } from '../support/stores/fault-proxy.ts';
import { TcpProxy, type Trouble } from '../support/stores/tcp-proxy.ts';
import { SystemFixture } from '../support/system-fixture.ts';

const SEED = Number(process.env.KAFKA_BACKUP_TEST_SEED ?? Date.now() % 1_000_000);
const MIB = 1024 * 1024;
const NAMES = Object.keys(START_CLOUD) as CloudName[];
const BACKUP_ID = 'orders';
/** Records a second: one whose segments are of several parts, one of many small segments. */
const LOADS = { large: { partitions: 1, recordsPerSecond: 4500 }, small: { partitions: 3, recordsPerSecond: 200 } };
const TOPICS = Object.keys(LOADS);
const BACKUP = {
  continuous: true,
  compression: 'none',
  segment_max_bytes: '16MiB',
  segment_max_interval_ms: 2000,
  checkpoint_interval_secs: 1,
};
/** Shorter than a trouble, so that requests are given up and made again. */
const REQUESTS = { part_size_bytes: '5MiB', request_timeout_ms: 1500, retry_timeout_ms: 30_000 };
/** Longer than a segment waits to be sealed. */
const TROUBLE_MS = 2500;
const MOST_TROUBLE_MS = 20_000;
const BURST_MS = 300;

const random = randomNumbers(SEED);
const between = (from: number, to: number) => (): number => Math.floor(from + random() * (to - from));

const TROUBLES: Readonly<Record<string, Trouble>> = {
  'a slow network': { kind: 'latency', ms: 250 },
  'a narrow network': { kind: 'throttle', direction: 'to-store', bytesPerSecond: 4 * MIB },
  'requests that break off': { kind: 'cut', direction: 'to-store', afterBytes: between(100, 5 * MIB), by: 'FIN' },
  'answers that break off': { kind: 'cut', direction: 'from-store', afterBytes: between(0, 600), by: 'FIN' },
  'connections that are reset': { kind: 'cut', direction: 'to-store', afterBytes: between(100, 5 * MIB), by: 'RST' },
  'connections that fall silent': { kind: 'half-open' },
};

/** What a restore that is under way meets. */
const RESTORE_TROUBLES: Readonly<Record<string, Trouble>> = {
  'a slow network': { kind: 'latency', ms: 60 },
  'a narrow network': { kind: 'throttle', direction: 'from-store', bytesPerSecond: MIB / 4 },
  'requests that break off': { kind: 'cut', direction: 'to-store', afterBytes: between(100, 3000), by: 'FIN' },
  'answers that break off': { kind: 'cut', direction: 'from-store', afterBytes: between(0, 100_000), by: 'FIN' },
  'connections that are reset': { kind: 'cut', direction: 'from-store', afterBytes: between(0, 100_000), by: 'RST' },
  'connections that fall silent': { kind: 'half-open' },
};

/** What each store says when it is asked too often. */
const BUSY: Readonly<Record<CloudName, Fault>> = {
  S3: {
    kind: 'answer',
    status: 503,
    headers: { 'content-type': 'application/xml' },
    body: '<?xml version="1.0"?><Error><Code>SlowDown</Code><Message>Please reduce your request rate.</Message></Error>',
  },
  'Azure Blob': { kind: 'answer', status: 503, headers: { 'x-ms-error-code': 'ServerBusy', 'retry-after': '1' } },
  'Google Cloud Storage': { kind: 'answer', status: 503, headers: { 'retry-after': '1' } },
};

/** One store, the network in front of it, and the agent that backs up into it. */
interface Place {
  readonly cloud: CloudStore;
  readonly network: TcpProxy;
  /** Section `storage`, through the network. */
  readonly storage: Readonly<Record<string, unknown>>;
  readonly agent: AgentProcess;
}

describe('a continuous backup into an object store', { timeout: 480_000 }, () => {
  let system: SystemFixture;
  let probe: KafkaProbe;
  let loads: readonly LiveLoad[] = [];
  const places: Place[] = [];

  before(async () => {
    const starting = Promise.all(NAMES.map(startBehindNetwork));
    system = await SystemFixture.start();
    ({ probe } = system);
    for (const [topic, { partitions }] of Object.entries(LOADS)) await probe.createTopic(topic, { partitions });
    for (const { cloud, network } of await starting) {
      const storage = cloud.storage({ ...REQUESTS, endpoint: cloud.endpoint(network.address) });
      const spec = { backupId: BACKUP_ID, topics: TOPICS, store: storage, backup: BACKUP };
      places.push({ cloud, network, storage, agent: await system.workspace.startBackup(spec) });
    }
    loads = Object.entries(LOADS).map(
      ([topic, { recordsPerSecond }]) => new LiveLoad(probe, topic, { recordsPerSecond }),
    );
    await sleep(1000);
    await everywhere(caughtUp);
  });

  after(async () => {
    await system?.stop();
    for (const { cloud, network } of places) {
      await network.stop();
      await cloud.stop();
    }
  });

  async function startBehindNetwork(name: CloudName): Promise<Pick<Place, 'cloud' | 'network'>> {
    const network = await TcpProxy.start();
    const cloud = await START_CLOUD[name](network.address);
    network.targetPort = cloud.server.port;
    return { cloud, network };
  }

  async function everywhere(each: (place: Place) => Promise<void>): Promise<void> {
    await Promise.all(places.map(each));
  }

  /** Waits until what the topics hold now is committed. */
  async function caughtUp({ cloud, agent }: Place): Promise<void> {
    const ends = await Promise.all(TOPICS.map(async (topic) => ({ topic, ends: await probe.endOffsets(topic) })));
    await system.workspace.catalogUntil(
      BACKUP_ID,
      (state) => {
        assert.ok(agent.isRunning, agent.stderr);
        return ends.every(({ topic, ends }) =>
          [...ends].every(([partition, end]) => committedOffset(state, topic, partition) >= end),
        );
      },
      cloud.store,
    );
  }

  /** So that a restore that fails later is known to have read wrongly, or what was read to have been wrong. */
  async function assertStored({ name, store }: CloudStore, segment: SegmentSummary): Promise<void> {
    const bytes = await store.get(segment.key);
    assert.ok(bytes !== undefined, `${segment.key} is in ${name}`);
    const footer = await readFooter(store, segment);
    for (const { position, storedSizeBytes, sha256 } of footer.frames) {
      const frame = bytes.subarray(position, position + storedSizeBytes);
      const place = `${segment.key} in ${name}: ${storedSizeBytes} bytes at ${position}`;
      assert.equal(createHash('sha256').update(frame).digest('hex'), sha256, place);
    }
  }

  for (const [name, trouble] of Object.entries(TROUBLES)) {
    it(`gets over ${name}`, async (context: TestContext) => {
      await everywhere(async (place) => {
        const { network, cloud } = place;
        network.trouble = trouble;
        await sleep(TROUBLE_MS);
        for (const deadline = Date.now() + MOST_TROUBLE_MS; network.met === 0; await sleep(100)) {
          assert.ok(Date.now() < deadline, `${cloud.name} met the trouble`);
        }
        context.diagnostic(`seed ${SEED}, ${cloud.name}: met ${network.met} times`);
        network.trouble = undefined;
        await caughtUp(place);
      });
    });
  }

  for (const [what, spoil] of [
    ['bursts of 503', burstsOf503],
    ['pages of success in the place of answers', pagesOfSuccess],
  ] as const) {
    it(`gets over ${what}`, async (context: TestContext) => {
      await everywhere(async (place) => {
        const { network, cloud } = place;
        const spoiling = await FaultProxy.start(`http://${cloud.server.address}`, { keepHost: true });
        const spoilt = spoil(spoiling, cloud.name);
        leadTo(network, spoiling);
        for (const deadline = Date.now() + MOST_TROUBLE_MS, least = Date.now() + TROUBLE_MS; ; await sleep(100)) {
          if (spoilt() > 0 && Date.now() > least) break;
          assert.ok(Date.now() < deadline, `${cloud.name} met the trouble`);
        }
        context.diagnostic(`${cloud.name}: ${spoilt()} of ${spoiling.seen.length} requests met ${what}`);
        network.targetPort = cloud.server.port;
        network.disconnect();
        await spoiling.stop();
        await caughtUp(place);
      });
    });
  }

  it('has every offset exactly once in the end', async () => {
    await Promise.all(loads.map((load) => load.stop()));
    await everywhere(caughtUp);
    await everywhere(async ({ cloud, agent }) => {
      assertExit(await agent.stop(), 0);
      const state = await system.workspace.catalog(BACKUP_ID, cloud.store);
      for (const topic of TOPICS) assertTopicTiling(state, topic, new Map(), await probe.endOffsets(topic));
      for (const life of state.incarnations) {
        for (const { segments } of life.partitions.values()) for (const one of segments) await assertStored(cloud, one);
      }
      const large = [...state.incarnations.find(({ topic }) => topic === 'large')!.partitions.get(0)!.segments];
      assert.ok(
        large.some(({ storedSizeBytes }) => storedSizeBytes > 5 * MIB),
        'segments of several parts',
      );
    });
  });

  for (const name of NAMES) {
    it(`is restored as it was over connections that break off (${name})`, async () => {
      const { network, storage } = places.find(({ cloud }) => cloud.name === name)!;
      const topics = Object.fromEntries(TOPICS.map((topic) => [topic, `${topic} from ${name}`.replaceAll(' ', '-')]));
      network.trouble = { kind: 'cut', direction: 'from-store', afterBytes: between(2 * MIB, 16 * MIB), by: 'RST' };
      assertExit(await system.workspace.restore({ backupId: BACKUP_ID, topics, store: storage }), 0);
      assert.ok(network.met > 0, 'answers were cut');
      for (const [topic, target] of Object.entries(topics)) {
        const source = { probe, topic };
        const compared = await assertDigests(await digestOf(source), source, { probe, topic: target });
        assert.equal(compared, loads[TOPICS.indexOf(topic)]!.records);
      }
    });
  }

  describe('and a restore from it', () => {
    const restores = new Map<CloudName, TroubledRestore>();

    before(async () => {
      await backUpForRestores(
        system,
        places.map(({ cloud }) => cloud),
      );
      await everywhere(async ({ cloud, storage }) => {
        restores.set(cloud.name, await TroubledRestore.start(system, { name: cloud.name, storage }));
      });
    });

    for (const [name, trouble] of Object.entries(RESTORE_TROUBLES)) {
      it(`gets over ${name}`, () =>
        everywhere(async ({ cloud, network }) => {
          network.trouble = trouble;
          await restores.get(cloud.name)!.untilMet(() => network.met > 0);
          network.trouble = undefined;
          await restores.get(cloud.name)!.goesOn();
        }));
    }

    it('gets over bursts of 503', () =>
      everywhere(async ({ cloud, network }) => {
        const overloaded = await FaultProxy.start(`http://${cloud.server.address}`, { keepHost: true });
        const refused = burstsOf503(overloaded, cloud.name);
        leadTo(network, overloaded);
        await restores.get(cloud.name)!.untilMet(() => refused() > 0);
        network.targetPort = cloud.server.port;
        network.disconnect();
        await overloaded.stop();
        await restores.get(cloud.name)!.goesOn();
      }));

    it('holds every record once in the end', () => everywhere(({ cloud }) => restores.get(cloud.name)!.isWhole()));

    it('reads ranges beside each other; one that is damaged names the object, and nothing wrong is written', () =>
      everywhere(({ cloud }) => restoreOfDamagedRange(system, cloud)));
  });
});

/** The next requests through the proxy come in bursts of which every other one is refused. @returns how many were */
function burstsOf503(overloaded: FaultProxy, name: CloudName): () => number {
  let refused = 0;
  overloaded.decide = () => {
    if (Math.floor(Date.now() / BURST_MS) % 2 === 0) return undefined;
    refused += 1;
    return BUSY[name];
  };
  return () => refused;
}

/**
 * Of what is written, every third request is answered by a load balancer, as if all were well: before the store, or behind it.
 * @returns how many were
 */
function pagesOfSuccess(balancer: FaultProxy, name: CloudName): () => number {
  const page = {
    kind: 'answer',
    status: 200,
    headers: { 'content-type': 'text/html' },
    body: '<html>Soon.</html>',
  } as const;
  let written = 0;
  let answered = 0;
  balancer.decide = ({ method }) => {
    // fake-gcs-server ends an upload when it is asked how much of it there is.
    if (method !== 'POST' && (method !== 'PUT' || name === 'Google Cloud Storage')) return undefined;
    written += 1;
    if (written % 3 !== 1) return undefined;
    answered += 1;
    return answered % 2 === 1 ? page : { kind: 'replace-answer', by: page };
  };
  return () => answered;
}

/** From now on the network ends at this proxy. */
function leadTo(network: TcpProxy, { address }: FaultProxy): void {
  network.targetPort = Number(address.split(':')[1]);
  network.disconnect();
}
