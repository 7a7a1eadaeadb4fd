// Which batches of a producer a partition holds already, read from the log itself. The memory of brokers is not enough: they
// forget a producer whose newest record is older than producer.id.expiration.ms (one day) when they restart and every ten
// minutes, and then take any sequence. Old records that are sent again after that are there twice (tried on 4.1).

import { BackupError } from '../model/errors.ts';
import { partitionName, type TopicPartition } from '../model/topic-partition.ts';
import { BATCH_FIELD, splitBatches, viewOf } from '../record/batch-header.ts';
import type { KafkaCluster } from './cluster.ts';
import { fetchCall } from './protocol/fetch.ts';
import { KAFKA_ERROR, kafkaError } from './protocol/kafka-errors.ts';

const NO_SESSION = { sessionId: 0, sessionEpoch: -1, forgotten: [] } as const;
const UNKNOWN_EPOCH = -1;
const FETCH_BYTES = 4 * 1024 * 1024;

/**
 * Base offsets of the producer's batches by base sequence, from `fromOffset` (undefined: from the start of the log) to the high
 * watermark. A new leader answers only once its watermark is past everything that its predecessors took (KIP-207).
 * @throws KAFKA_REQUEST_FAILED while there is no such leader, KAFKA_UNREACHABLE.
 */
export async function arrivedBatches(
  cluster: KafkaCluster,
  partition: TopicPartition,
  producerId: bigint,
  fromOffset: bigint | undefined,
): Promise<ReadonlyMap<number, bigint>> {
  const name = partitionName(partition);
  const { topics } = await cluster.describeTopics([partition.topic]);
  const end = (await cluster.listOffsets([partition], 'latest')).get(name);
  const start = fromOffset ?? (await cluster.listOffsets([partition], 'earliest')).get(name);
  const [topic] = topics;
  if (topic === undefined || end === undefined || start === undefined) {
    throw new BackupError('KAFKA_REQUEST_FAILED', `${name} has no leader that tells its end`, { context: partition });
  }
  const arrived = new Map<number, bigint>();
  for (let offset = start; offset < end; ) {
    const next = await readBatches(cluster, partition, topic.topicId, offset, (baseOffset, batchProducer, sequence) => {
      if (batchProducer === producerId && baseOffset >= start) arrived.set(sequence, baseOffset);
    });
    if (next <= offset) break;
    offset = next;
  }
  return arrived;
}

/** One fetch at `offset`; returns the offset behind the last whole batch. */
async function readBatches(
  cluster: KafkaCluster,
  { topic, partition }: TopicPartition,
  topicId: string,
  offset: bigint,
  onBatch: (baseOffset: bigint, producerId: bigint, baseSequence: number) => void,
): Promise<bigint> {
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
    const view = viewOf(answer.records);
    let next = offset;
    for (const header of splitBatches(answer.records)) {
      onBatch(header.baseOffset, header.producerId, view.getInt32(header.position + BATCH_FIELD.baseSequence));
      next = header.lastOffset + 1n;
    }
    return next;
  } finally {
    held.release();
  }
}
