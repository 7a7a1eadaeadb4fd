// What a partition holds already, read from the log itself. The memory of brokers is not enough: they forget a producer whose
// newest record is older than producer.id.expiration.ms (one day) when they restart and every ten minutes, and then take any
// sequence. Old records that are sent again after that are there twice (tried on 4.1).

import { BackupError } from '../model/errors.ts';
import { partitionName, type TopicPartition } from '../model/topic/topic-partition.ts';
import { type RecordBatchHeader, splitBatches } from '../record/batch-header.ts';
import { producerOf } from '../record/producer-fields.ts';
import type { KafkaCluster } from './connection/cluster.ts';
import { fetchCall } from './protocol/fetch.ts';
import { KAFKA_ERROR, kafkaError } from './protocol/kafka-errors.ts';

const NO_SESSION = { sessionId: 0, sessionEpoch: -1, forgotten: [] } as const;
const UNKNOWN_EPOCH = -1;
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
 * @throws KAFKA_REQUEST_FAILED while there is no such leader, KAFKA_UNREACHABLE.
 */
export async function arrivedBatches(
  cluster: KafkaCluster,
  partition: TopicPartition,
  fromOffset: bigint,
  most: number,
): Promise<readonly ArrivedBatch[]> {
  const { topicId, endOffset } = await lookUp(cluster, partition);
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
): Promise<{ readonly topicId: string; readonly endOffset: bigint }> {
  const { topics } = await cluster.describeTopics([partition.topic]);
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
