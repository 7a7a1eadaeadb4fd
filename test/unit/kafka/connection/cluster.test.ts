import assert from 'node:assert/strict';
import { afterEach, describe, test, type TestContext } from 'node:test';
import { KafkaCluster } from '../../../../src/kafka/connection/cluster.ts';
import type { BrokerAddress } from '../../../../src/kafka/connection/kafkajs-wire.ts';
import { WireWriter } from '../../../../src/kafka/protocol/wire-writer.ts';
import { brokerThat, framed, type ToldBroker } from './told-broker.ts';

const TOPIC_ID = 'AAAAAAAAAAAAAAAAAAAAAQ';
const SETTINGS = {
  clientId: 'test',
  tls: undefined,
  sasl: undefined,
  connectTimeoutMs: 1000,
  requestTimeoutMs: 1000,
  keepAliveMs: null,
  noDelay: true,
};

/** What one broker believes: who there is, and who leads the only partition of `orders`. */
interface Belief {
  readonly brokers: ReadonlyMap<number, BrokerAddress>;
  readonly leader: number;
}

/** Metadata v12 after the protocol guide. */
function metadataAnswer(correlationId: number, { brokers, leader }: Belief): Buffer {
  const writer = new WireWriter().noTaggedFields().int32(0);
  writer.compactArray([...brokers], (entry, [nodeId, { host, port }]) =>
    entry.int32(nodeId).compactString(host).int32(port).compactNullableString(null).noTaggedFields(),
  );
  writer.compactString('cluster').int32(leader);
  writer.compactArray(['orders'], (topic, name) => {
    topic.int16(0).compactString(name).uuid(TOPIC_ID).boolean(false);
    topic.compactArray([leader], (partition) => {
      partition.int16(0).int32(0).int32(leader).int32(1);
      for (const _list of ['replicas', 'in sync', 'offline']) {
        partition.compactArray([leader], (replica, nodeId) => replica.int32(nodeId));
      }
      partition.noTaggedFields();
    });
    topic.int32(0).noTaggedFields();
  });
  return framed(correlationId, Buffer.concat(writer.noTaggedFields().chunks()));
}

const started: ToldBroker[] = [];
let cluster: KafkaCluster | undefined;

async function brokerOf(belief: () => Belief): Promise<ToldBroker> {
  const broker = await brokerThat(({ correlationId }) => metadataAnswer(correlationId, belief()));
  started.push(broker);
  return broker;
}

afterEach(async () => {
  await cluster?.close();
  for (const broker of started.splice(0)) broker.close();
});

describe('a cluster', () => {
  for (const isolated of [0, 1, 2]) {
    test(`is not seen for ever as broker ${isolated} saw it before it was cut off from the controller`, async (context: TestContext) => {
      const all = new Map<number, BrokerAddress>();
      const before: Belief = { brokers: all, leader: isolated };
      const beliefs = [before, before, before];
      const brokers = await Promise.all(beliefs.map((_, nodeId) => brokerOf(() => beliefs[nodeId] ?? before)));
      for (const [nodeId, broker] of brokers.entries()) all.set(nodeId, broker);
      const silent = { debug() {}, info() {}, warn() {}, error() {} };
      cluster = new KafkaCluster([brokers[isolated] ?? assert.fail()], SETTINGS, silent);
      const leaderNow = async (): Promise<number | undefined> =>
        (await cluster?.describeTopics(['orders']))?.topics[0]?.partitions[0]?.leader;
      assert.equal(await leaderNow(), isolated);

      const others = new Map([...all].filter(([nodeId]) => nodeId !== isolated));
      const successor = (isolated + 1) % 3;
      for (const nodeId of others.keys()) beliefs[nodeId] = { brokers: others, leader: successor };
      const seen: (number | undefined)[] = [];
      const now = performance.now.bind(performance);
      for (let minutes = 0; minutes < 5; minutes += 1) {
        context.mock.method(performance, 'now', () => now() + minutes * 60_000);
        seen.push(await leaderNow());
      }
      // The former view may come for a minute; once there is the new one, it does not come back.
      assert.deepEqual(seen.slice(1), [successor, successor, successor, successor]);
      assert.equal(cluster.leaderOf({ topic: 'orders', partition: 0 }), successor);
    });
  }
});
