// What a partition holds already, read from the log itself. The memory of brokers is not enough: they forget a producer whose
// newest record is older than producer.id.expiration.ms (one day) when they restart and every ten minutes, and then take any
// sequence. Old records that are sent again after that are there twice (tried on 4.1).

import { BackupError } from '../model/errors.ts';
import { partitionName, type TopicPartition } from '../model/topic/topic-partition.ts';
import { type RecordBatchHeader, splitBatches } from '../record/batch-header.ts';
import { producerOf } from '../record/producer-fields.ts';
import type { KafkaCluster } from './connection/cluster.ts';
import { fetchCall } from './protocol/fetch.ts';
import { KAFKA_ERROR, kafkaError, kafkaErrorName } from './protocol/kafka-errors.ts';

const NO_SESSION = { sessionId: 0, sessionEpoch: -1, forgotten: [] } as const;
const UNKNOWN_EPOCH = -1;
/** Also of a broker that has just started and does not know the topics yet. */
export const NO_TOPIC = kafkaErrorName(KAFKA_ERROR.unknownTopicOrPartition);
const FETCH_BYTES = 4 * 1024 * 1024;

/** A batch of the log and whose it is. */
export interface ArrivedBatch {
  readonly baseOffset: bigint;
  readonly producerId: bigint;
  readonly baseSequence: number;
}

/**
 * The first batches from `fromOffset` to the high watermark, `most` at most. A new leader answers only once its watermark is
 * past everything that its predecessors took (KIP-207).
 * @throws TARGET_CHANGED when another topic has the name by now or the log begins behind `fromOffset`, KAFKA_REQUEST_FAILED while there is no such leader and, with
 * Kafka's error {@link NO_TOPIC}, no such topic, KAFKA_UNREACHABLE.
 */
export async function arrivedBatches(
  cluster: KafkaCluster,
  partition: TopicPartition & { readonly topicId: string },
  fromOffset: bigint,
  most: number,
): Promise<readonly ArrivedBatch[]> {
  const { topicId, endOffset } = await lookUp(cluster, partition, partition.topicId);
  const arrived: ArrivedBatch[] = [];
  for (let offset = fromOffset; offset < endOffset && arrived.length < most; ) {
    const found = await readBatches(cluster, { ...partition, topicId, offset }, (header, bytes) => {
      const { producerId, baseSequence } = producerOf(bytes);
      return { baseOffset: header.baseOffset, lastOffset: header.lastOffset, producerId, baseSequence };
    });
    const last = found.at(-1);
    if (last === undefined || last.lastOffset < offset) break;
    arrived.push(...found);
    offset = last.lastOffset + 1n;
  }
  return arrived.slice(0, most);
}

/** A copy of the batch that holds the record at `offset`; undefined when the log ends before it. @throws as {@link arrivedBatches}. */
export async function batchAt(
  cluster: KafkaCluster,
  partition: TopicPartition,
  offset: bigint,
): Promise<Uint8Array | undefined> {
  const { topicId, endOffset } = await lookUp(cluster, partition);
  if (offset >= endOffset) return undefined;
  const found = await readBatches(cluster, { ...partition, topicId, offset }, (header, bytes) =>
    header.baseOffset <= offset && offset <= header.lastOffset ? Uint8Array.from(bytes) : undefined,
  );
  return found.find((bytes) => bytes !== undefined);
}

async function lookUp(
  cluster: KafkaCluster,
  partition: TopicPartition,
  expectedId?: string,
): Promise<{ readonly topicId: string; readonly endOffset: bigint }> {
  const { topic } = partition;
  const { topics, missing } = await cluster.describeTopics([topic]);
  const found = topics[0]?.topicId;
  if (expectedId !== undefined && found !== undefined && found !== expectedId) {
    throw new BackupError(
      'TARGET_CHANGED',
      `topic ${topic} has id ${found}: the one that was written to had id ${expectedId}`,
      { context: { topic } },
    );
  }
  if (missing.includes(topic)) {
    throw new BackupError('KAFKA_REQUEST_FAILED', `there is no topic ${topic}`, {
      context: { topic, kafkaError: NO_TOPIC },
    });
  }
  const endOffset = (await cluster.listOffsets([partition], 'latest')).get(partitionName(partition));
  const topicId = topics[0]?.topicId;
  if (topicId === undefined || endOffset === undefined) {
    throw new BackupError('KAFKA_REQUEST_FAILED', `${partitionName(partition)} has no leader that tells its end`, {
      context: partition,
    });
  }
  return { topicId, endOffset };
}

/** The whole batches of one fetch. `take` gets each with its bytes, which are valid only during the call. */
async function readBatches<T>(
  cluster: KafkaCluster,
  { topic, partition, topicId, offset }: TopicPartition & { readonly topicId: string; readonly offset: bigint },
  take: (header: RecordBatchHeader, bytes: Uint8Array) => T,
): Promise<T[]> {
  const wanted = {
    topicId,
    partition,
    currentLeaderEpoch: UNKNOWN_EPOCH,
    fetchOffset: offset,
    lastFetchedEpoch: UNKNOWN_EPOCH,
    maxBytes: FETCH_BYTES,
  };
  const call = fetchCall({ ...NO_SESSION, maxWaitMs: 0, minBytes: 0, maxBytes: FETCH_BYTES, partitions: [wanted] });
  const held = await cluster.callHeld(cluster.leaderOf({ topic, partition }), 'general', call);
  try {
    const [answer] = held.response.partitions;
    const errorCode = held.response.errorCode === KAFKA_ERROR.none ? answer?.errorCode : held.response.errorCode;
    if (errorCode === KAFKA_ERROR.offsetOutOfRange) await assertNotDeleted(cluster, { topic, partition }, offset);
    if (answer === undefined || errorCode !== KAFKA_ERROR.none) {
      throw kafkaError(errorCode ?? -1, `read what ${topic}-${partition} holds`, { topic, partition, offset });
    }
    const { records } = answer;
    return Array.from(splitBatches(records), (header) =>
      take(header, records.subarray(header.position, header.position + header.sizeBytes)),
    );
  } finally {
    held.release();
  }
}

/** @throws TARGET_CHANGED when the log begins behind the offset. */
async function assertNotDeleted(cluster: KafkaCluster, partition: TopicPartition, offset: bigint): Promise<void> {
  const name = partitionName(partition);
  const start = (await cluster.listOffsets([partition], 'earliest')).get(name);
  if (start === undefined || start <= offset) return;
  throw new BackupError(
    'TARGET_CHANGED',
    `${name} begins at offset ${start}: the records that were written to it, up to offset ${offset} at least, were deleted`,
    { context: partition },
  );
}
