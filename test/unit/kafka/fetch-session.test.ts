import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import type { KafkaCluster } from '../../../src/kafka/connection/cluster.ts';
import { KafkaPartitionLog } from '../../../src/kafka/kafkajs-partition-log.ts';
import type { FetchPosition } from '../../../src/kafka/partition-log.ts';
import type { ApiCall } from '../../../src/kafka/protocol/api.ts';
import type { FetchResponse, FetchResponsePartition } from '../../../src/kafka/protocol/fetch.ts';
import { KAFKA_ERROR } from '../../../src/kafka/protocol/kafka-errors.ts';
import { WireReader } from '../../../src/kafka/protocol/wire-reader.ts';
import { WireWriter } from '../../../src/kafka/protocol/wire-writer.ts';

const TOPIC_ID = 'AAAAAAAAAAAAAAAAAAAAAQ';
const LIMITS = { maxWaitMs: 500, minBytes: 1, maxBytes: 1000, maxPartitionBytes: 100 };
const SESSION = 77;

interface SentRequest {
  readonly sessionId: number;
  readonly epoch: number;
  /** `partition@offset` of each that the request names. */
  readonly named: readonly string[];
  readonly forgotten: readonly number[];
}

/** Reads a Fetch v13 request after the protocol guide. */
function readRequest(call: ApiCall<unknown>): SentRequest {
  const writer = new WireWriter();
  call.write(writer);
  const reader = new WireReader(Buffer.concat(writer.chunks()));
  for (const _field of ['replica', 'wait', 'min', 'max']) reader.int32();
  reader.int8();
  const sessionId = reader.int32();
  const epoch = reader.int32();
  const named = reader.compactArray((topic) => {
    topic.uuid();
    const partitions = topic.compactArray((one) => {
      const partition = one.int32();
      one.int32();
      const offset = one.int64();
      one.int32();
      one.int64();
      one.int32();
      one.taggedFields();
      return `${partition}@${offset}`;
    });
    topic.taggedFields();
    return partitions;
  });
  const forgotten = reader.compactArray((topic) => {
    topic.uuid();
    const partitions = topic.compactArray((one) => one.int32());
    topic.taggedFields();
    return partitions;
  });
  return { sessionId, epoch, named: named.flat(), forgotten: forgotten.flat() };
}

/** A broker that notes what it is asked and gives the answers of a list, the last one for ever. */
class NotingBroker {
  readonly requests: SentRequest[] = [];
  answers: (Partial<FetchResponse> | Error)[] = [{}];

  async callHeld(_nodeId: number, _lane: string, call: ApiCall<FetchResponse>) {
    this.requests.push(readRequest(call));
    const answer = this.answers.length > 1 ? this.answers.shift() : this.answers[0];
    if (answer instanceof Error) throw answer;
    return { response: { errorCode: 0, sessionId: SESSION, partitions: [], ...answer }, release() {} };
  }

  prepare(): void {}

  openSession() {
    return new KafkaPartitionLog(this as unknown as KafkaCluster).openSession(1);
  }
}

function position(partition: number, nextOffset: bigint): FetchPosition {
  return { topic: 'orders', topicId: TOPIC_ID, partition, nextOffset, lastEpoch: 0 };
}

function records(partition: number): FetchResponsePartition {
  return {
    topicId: TOPIC_ID,
    partition,
    errorCode: 0,
    highWatermark: 9n,
    lastStableOffset: 9n,
    logStartOffset: 0n,
    diverging: null,
    records: new Uint8Array(0),
  };
}

describe('a fetch session', () => {
  test('names everything once and afterwards only what has changed', async () => {
    const broker = new NotingBroker();
    const session = broker.openSession();
    for (const partition of [0, 1, 2]) session.want(position(partition, 5n));
    await session.fetch(LIMITS);
    await session.fetch(LIMITS);
    session.want(position(1, 8n));
    session.drop({ topicId: TOPIC_ID, partition: 2 });
    await session.fetch(LIMITS);
    await session.fetch(LIMITS);
    assert.deepEqual(broker.requests, [
      { sessionId: 0, epoch: 0, named: ['0@5', '1@5', '2@5'], forgotten: [] },
      { sessionId: SESSION, epoch: 1, named: [], forgotten: [] },
      { sessionId: SESSION, epoch: 2, named: ['1@8'], forgotten: [2] },
      { sessionId: SESSION, epoch: 3, named: [], forgotten: [] },
    ]);
  });

  test('takes a partition back that was dropped since the last fetch', async () => {
    const broker = new NotingBroker();
    const session = broker.openSession();
    session.want(position(0, 5n));
    await session.fetch(LIMITS);
    session.drop({ topicId: TOPIC_ID, partition: 0 });
    session.want(position(0, 6n));
    await session.fetch(LIMITS);
    assert.deepEqual(broker.requests[1], { sessionId: SESSION, epoch: 1, named: ['0@6'], forgotten: [] });
  });

  test('names everything anew when the broker has lost the session, or the request was lost', async () => {
    const broker = new NotingBroker();
    broker.answers = [{}, { errorCode: KAFKA_ERROR.fetchSessionNotFound }, {}, new Error('connection reset'), {}];
    const session = broker.openSession();
    session.want(position(0, 5n));
    session.want(position(1, 5n));
    await session.fetch(LIMITS);
    session.want(position(0, 7n));
    assert.deepEqual((await session.fetch(LIMITS)).partitions, []);
    await session.fetch(LIMITS);
    session.drop({ topicId: TOPIC_ID, partition: 1 });
    await assert.rejects(session.fetch(LIMITS), /connection reset/);
    await session.fetch(LIMITS);
    assert.deepEqual(broker.requests[2], { sessionId: 0, epoch: 0, named: ['0@7', '1@5'], forgotten: [] });
    assert.deepEqual(broker.requests[4], { sessionId: 0, epoch: 0, named: ['0@7'], forgotten: [] });
  });

  test('names everything each time while the broker has no room for a session', async () => {
    const broker = new NotingBroker();
    broker.answers = [{ sessionId: 0 }];
    const session = broker.openSession();
    session.want(position(0, 5n));
    await session.fetch(LIMITS);
    await session.fetch(LIMITS);
    const full = { sessionId: 0, epoch: 0, named: ['0@5'], forgotten: [] };
    assert.deepEqual(broker.requests, [full, full]);
  });

  test('says with each answer which offset was asked for, and leaves out what was not asked', async () => {
    const broker = new NotingBroker();
    broker.answers = [{ partitions: [records(0), records(1)] }];
    const session = broker.openSession();
    session.want(position(0, 5n));
    const { partitions } = await session.fetch(LIMITS);
    assert.deepEqual(
      partitions.map(({ partition, askedOffset }) => [partition, askedOffset]),
      [[0, 5n]],
    );
  });
});
