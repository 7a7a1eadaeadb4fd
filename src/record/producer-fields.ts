// The fields of a record batch that an idempotent producer (KIP-98) fills in: its id and epoch, and the sequence of the first
// record. A sequence counts the records of one producer in one partition, from 0 to 2^31 - 1 and then from 0 again.

import { BATCH_FIELD, sealBatchCrc, viewOf } from './batch-header.ts';

export interface ProducerIdentity {
  readonly producerId: bigint;
  readonly producerEpoch: number;
}

const SEQUENCE_LIMIT = 2n ** 31n;

/** The sequence of the record with this index among all of its producer's records in the partition. */
export function sequenceOf(index: bigint): number {
  return Number(index % SEQUENCE_LIMIT);
}

/** Makes a whole batch the producer's own, in place: identity, sequence, CRC. */
export function stampBatch(batch: Uint8Array, identity: ProducerIdentity, baseSequence: number): void {
  const view = viewOf(batch);
  view.setBigInt64(BATCH_FIELD.producerId, identity.producerId);
  view.setInt16(BATCH_FIELD.producerEpoch, identity.producerEpoch);
  view.setInt32(BATCH_FIELD.baseSequence, baseSequence);
  sealBatchCrc(batch);
}

/** What a batch says of its producer. */
export function producerOf(batch: Uint8Array): ProducerIdentity & { readonly baseSequence: number } {
  const view = viewOf(batch);
  return {
    producerId: view.getBigInt64(BATCH_FIELD.producerId),
    producerEpoch: view.getInt16(BATCH_FIELD.producerEpoch),
    baseSequence: view.getInt32(BATCH_FIELD.baseSequence),
  };
}
