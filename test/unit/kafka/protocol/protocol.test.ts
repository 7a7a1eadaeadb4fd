// Requests and answers as bytes, after the schemas in Kafka's clients/src/main/resources/common/message.

import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import type { ApiCall } from '../../../../src/kafka/protocol/api.ts';
import { fetchCall } from '../../../../src/kafka/protocol/fetch.ts';
import { kafkaError, kafkaErrorClass, kafkaErrorName } from '../../../../src/kafka/protocol/kafka-errors.ts';
import { listOffsetsCall } from '../../../../src/kafka/protocol/list-offsets.ts';
import { metadataCall } from '../../../../src/kafka/protocol/metadata.ts';
import { initProducerIdCall, produceCall } from '../../../../src/kafka/protocol/produce.ts';
import {
  alterTopicConfigsCall,
  createTopicCall,
  describeTopicConfigsCall,
} from '../../../../src/kafka/protocol/topic-admin.ts';
import { WireReader } from '../../../../src/kafka/protocol/wire-reader.ts';
import { WireWriter } from '../../../../src/kafka/protocol/wire-writer.ts';

const TOPIC_ID = 'AAAAAAAAAAAAAAAAAAAAAQ';
const ID_HEX = `${'00'.repeat(15)}01`;
const T = '02' + '0274'.slice(0, 4);

function request(call: ApiCall<unknown>): string {
  const writer = new WireWriter();
  call.write(writer);
  return Buffer.concat(writer.chunks()).toString('hex');
}

function answer<Response>(call: ApiCall<Response>, write: (writer: WireWriter) => void): Response {
  const writer = new WireWriter();
  write(writer);
  const bytes = Buffer.concat(writer.chunks());
  for (let length = 0; length < bytes.byteLength; length += 1) {
    try {
      call.read(new WireReader(bytes.subarray(0, length)));
    } catch (error) {
      assert.equal((error as { code?: string }).code, 'KAFKA_NOT_KAFKA', `cut at ${length}`);
    }
  }
  return call.read(new WireReader(bytes));
}

describe('a fetch', () => {
  const base = { maxWaitMs: 500, minBytes: 1, maxBytes: 4096, sessionId: 7, sessionEpoch: 2, forgotten: [] };
  const one = {
    topicId: TOPIC_ID,
    partition: 3,
    currentLeaderEpoch: 5,
    fetchOffset: 9n,
    lastFetchedEpoch: 4,
    maxBytes: 1024,
  };

  test('names partitions by topic id, each topic once', () => {
    const partition =
      '00000003' + '00000005' + '0000000000000009' + '00000004' + 'ffffffffffffffff' + '00000400' + '00';
    const other = partition.replace('00000003', '00000004');
    const topics = '02' + ID_HEX + '03' + partition + other + '00';
    const hex =
      'ffffffff' + '000001f4' + '00000001' + '00001000' + '00' + '00000007' + '00000002' + topics + '01' + '01' + '00';
    assert.equal(request(fetchCall({ ...base, partitions: [one, { ...one, partition: 4 }] })), hex);
  });

  test('forgets partitions of its session', () => {
    const hex = request(fetchCall({ ...base, partitions: [], forgotten: [{ topicId: TOPIC_ID, partition: 8 }] }));
    assert.ok(hex.endsWith('01' + '02' + ID_HEX + '02' + '00000008' + '00' + '01' + '00'));
  });

  test('reads records, positions and the diverging epoch, and skips what it does not know', () => {
    const response = answer(fetchCall({ ...base, partitions: [one] }), (w) => {
      w.int32(250).int16(0).int32(77);
      w.compactArray([0], (topic) => {
        topic.uuid(TOPIC_ID).compactArray([0, 1], (partition, index) => {
          partition.int32(index).int16(0).int64(100n).int64(90n).int64(10n);
          partition.compactArray([0], (aborted) => aborted.int64(1n).int64(2n).noTaggedFields());
          partition.int32(-1).compactBytesByReference(Buffer.from('records'));
          if (index === 0) partition.noTaggedFields();
          else {
            partition.unsignedVarint(2).unsignedVarint(0).unsignedVarint(13).int32(4).int64(60n).noTaggedFields();
            partition.unsignedVarint(9).unsignedVarint(1).int8(1);
          }
        });
        topic.noTaggedFields();
      });
      w.noTaggedFields();
    });
    const common = { topicId: TOPIC_ID, errorCode: 0, highWatermark: 100n, lastStableOffset: 90n, logStartOffset: 10n };
    const records = Buffer.from('records');
    const plain = response.partitions.map((found) => ({ ...found, records: Buffer.from(found.records) }));
    assert.deepEqual(
      { ...response, partitions: plain },
      {
        throttleTimeMs: 250,
        errorCode: 0,
        sessionId: 77,
        partitions: [
          { ...common, partition: 0, diverging: null, records },
          { ...common, partition: 1, diverging: { epoch: 4, endOffset: 60n }, records },
        ],
      },
    );
  });
});

describe('a produce', () => {
  test('carries one batch by reference, to be acknowledged by all in-sync replicas', () => {
    const batch = Buffer.from('batch');
    const writer = new WireWriter();
    const call = produceCall({ topic: 't', partition: 2, batch, timeoutMs: 1000 });
    call.write(writer);
    assert.ok(writer.chunks().includes(batch));
    assert.equal(
      request(call),
      '00' + 'ffff' + '000003e8' + T + '02' + '00000002' + '06' + batch.toString('hex') + '00' + '00' + '00',
    );
  });

  test('reads where the batch went, or why not', () => {
    const call = produceCall({ topic: 't', partition: 2, batch: new Uint8Array(1), timeoutMs: 1 });
    const result = answer(call, (w) => {
      w.compactArray(['t'], (topic, name) => {
        topic.compactString(name).compactArray([2], (partition, index) => {
          partition.int32(index).int16(87).int64(-1n).int64(-1n).int64(5n);
          partition.compactArray([0], (error) => error.int32(0).compactNullableString('bad record').noTaggedFields());
          partition.compactNullableString(null).noTaggedFields();
        });
        topic.noTaggedFields();
      });
      w.int32(0).noTaggedFields();
    });
    assert.deepEqual(result, {
      topic: 't',
      partition: 2,
      errorCode: 87,
      errorMessage: 'bad record',
      baseOffset: -1n,
      logStartOffset: 5n,
    });
  });

  test('begins with an identity of its own', () => {
    assert.equal(request(initProducerIdCall()), '00' + '0000ea60' + 'ffffffffffffffff' + 'ffff' + '00');
    const identity = answer(initProducerIdCall(), (w) => w.int32(0).int16(0).int64(12n).int16(3).noTaggedFields());
    assert.deepEqual(identity, { errorCode: 0, producerId: 12n, producerEpoch: 3 });
  });
});

describe('metadata', () => {
  test('asks for some topics, or with null for all, and creates none', () => {
    assert.equal(request(metadataCall(null)), '00' + '00' + '00' + '00');
    assert.equal(request(metadataCall([])), '01' + '00' + '00' + '00');
    assert.equal(request(metadataCall(['t'])), '02' + '00'.repeat(16) + '0274' + '00' + '00' + '00' + '00');
  });

  test('asks for what the principal may do only when that is wanted', () => {
    assert.equal(request(metadataCall([], { authorizedOperations: true })), '01' + '00' + '01' + '00');
  });

  test('reads brokers, topics and leaders', () => {
    const { brokers, clusterId, topics } = answer(metadataCall(null), (w) => {
      w.int32(0);
      w.compactArray([1], (broker, id) =>
        broker.int32(id).compactString('host').int32(9092).compactNullableString('r1').noTaggedFields(),
      );
      w.compactNullableString('cluster').int32(1);
      w.compactArray(['t'], (topic, name) => {
        topic.int16(0).compactString(name).uuid(TOPIC_ID).boolean(true);
        topic.compactArray([0], (partition) => {
          partition.int16(5).int32(0).int32(-1).int32(9);
          for (const replicas of [[1, 2, 3], [1, 2], [3]]) partition.compactArray(replicas, (one, id) => one.int32(id));
          partition.noTaggedFields();
        });
        topic.int32(0b1_1000).noTaggedFields();
      });
      w.noTaggedFields();
    });
    assert.deepEqual(brokers, [{ nodeId: 1, host: 'host', port: 9092, rack: 'r1' }]);
    assert.equal(clusterId, 'cluster');
    const partitions = [{ errorCode: 5, partition: 0, leader: -1, leaderEpoch: 9, replicaCount: 3 }];
    const topic = { errorCode: 0, topic: 't', topicId: TOPIC_ID, isInternal: true, authorizedOperations: 0b1_1000 };
    assert.deepEqual(topics, [{ ...topic, partitions }]);
  });
});

describe('list offsets', () => {
  test('asks for the first or the last offset, or that of an instant, and reads it', () => {
    for (const [at, hex] of [
      ['earliest', 'fffffffffffffffe'],
      ['latest', 'ffffffffffffffff'],
      [{ timestampMs: 255 }, '00000000000000ff'],
    ] as const) {
      const call = listOffsetsCall([{ topic: 't', partitions: [4] }], at);
      assert.equal(request(call), 'ffffffff' + '00' + T + '02' + '00000004' + 'ffffffff' + hex + '00' + '00' + '00');
    }
    const listed = answer(listOffsetsCall([], 'latest'), (w) => {
      w.int32(0).compactArray(['t'], (topic, name) => {
        topic.compactString(name).compactArray([4], (entry, partition) => {
          entry
            .int32(partition)
            .int16(0)
            .int64(-1n)
            .int64(2n ** 62n)
            .int32(3)
            .noTaggedFields();
        });
        topic.noTaggedFields();
      });
      w.noTaggedFields();
    });
    assert.deepEqual(listed, [{ topic: 't', partition: 4, errorCode: 0, offset: 2n ** 62n, timestampMs: -1 }]);
  });
});

describe('topic administration', () => {
  test('creates a topic with its configuration, or only asks whether it could', () => {
    const call = createTopicCall({ topic: 't', partitions: 3, replicationFactor: -1, configs: { a: 'b' } }, 1000, true);
    assert.equal(
      request(call),
      T + '00000003' + 'ffff' + '01' + '02' + '0261' + '0262' + '00' + '00' + '000003e8' + '01' + '00',
    );
  });

  test('reads what a created topic has, its own entries told from defaults', () => {
    const call = createTopicCall({ topic: 't', partitions: 3, replicationFactor: -1, configs: {} }, 1000, true);
    const created = answer(call, (w) => {
      w.int32(0).compactArray(['t'], (result, topic) => {
        result.compactString(topic).uuid(TOPIC_ID).int16(0).compactNullableString(null).int32(3).int16(1);
        result.compactArray([1, 5], (config, source) => {
          config.compactString(`from-${source}`).compactNullableString('v').boolean(false).int8(source).boolean(false);
          config.noTaggedFields();
        });
        result.noTaggedFields();
      });
      w.noTaggedFields();
    });
    const configs = [1, 5].map((source) => ({ name: `from-${source}`, value: 'v', isSetOnTopic: source === 1 }));
    assert.deepEqual(created, [{ topic: 't', errorCode: 0, errorMessage: null, configs }]);
  });

  test('sets and deletes configuration entries', () => {
    const hex = request(alterTopicConfigsCall('t', { a: 'b', c: null }));
    assert.equal(
      hex,
      '02' + '02' + '0274' + '03' + '0261' + '00' + '0262' + '00' + '0263' + '01' + '00' + '00' + '00' + '00' + '00',
    );
  });

  test('tells a setting of the topic from one of the broker', () => {
    assert.equal(request(describeTopicConfigsCall(['t'])), '02' + '02' + '0274' + '00' + '00' + '00' + '00' + '00');
    const described = answer(describeTopicConfigsCall(['t']), (w) => {
      w.int32(0).compactArray(['t'], (result, topic) => {
        result.int16(0).compactNullableString(null).int8(2).compactString(topic);
        result.compactArray([1, 5], (config, source) => {
          config.compactString(`from-${source}`).compactNullableString('v').boolean(false).int8(source).boolean(false);
          config.compactArray([0], (synonym) =>
            synonym.compactString('s').compactNullableString(null).int8(5).noTaggedFields(),
          );
          config.int8(2).compactNullableString(null).noTaggedFields();
        });
        result.noTaggedFields();
      });
      w.noTaggedFields();
    });
    const configs = [
      { name: 'from-1', value: 'v', isSetOnTopic: true },
      { name: 'from-5', value: 'v', isSetOnTopic: false },
    ];
    assert.deepEqual(described, [{ topic: 't', errorCode: 0, errorMessage: null, configs }]);
  });
});

describe('an error of Kafka', () => {
  test('is classified, and an unknown one is taken for transient: it never ends in a gap', () => {
    assert.deepEqual([3, 29, 87, -1].map(kafkaErrorClass), ['refresh', 'denied', 'refused', 'retry']);
    for (const code of [9999, -7, 12_345]) {
      assert.equal(kafkaErrorClass(code), 'retry');
      assert.equal(kafkaError(code, 'fetch').code, 'KAFKA_REQUEST_FAILED');
      assert.equal(kafkaErrorName(code), `KAFKA_ERROR_${code}`);
    }
  });

  test('says what was attempted, its name and what the broker added', () => {
    const error = kafkaError(87, 'produce to orders-1', { topic: 'orders', partition: 1 }, 'null key');
    assert.equal(error.message, 'produce to orders-1: INVALID_RECORD (null key)');
    assert.deepEqual(
      [error.code, error.context],
      ['KAFKA_REQUEST_REFUSED', { topic: 'orders', partition: 1, kafkaError: 'INVALID_RECORD' }],
    );
    assert.equal(kafkaError(29, 'fetch', {}, '').message, 'fetch: TOPIC_AUTHORIZATION_FAILED');
  });
});
