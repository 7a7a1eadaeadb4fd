// Numbers and names of partitions as people write them on a command line.

import { BackupError } from '../../model/errors.ts';
import { isTopicName, type TopicPartition } from '../../model/topic/topic-partition.ts';

const MAX_OFFSET = 2n ** 63n - 1n;
const MAX_PARTITION = 2 ** 31 - 1;

/** `orders/3`. @throws USAGE_INVALID. */
export function parseTopicPartition(text: string): TopicPartition {
  const slash = text.lastIndexOf('/');
  const [topic, digits] = [text.slice(0, Math.max(0, slash)), text.slice(slash + 1)];
  if (slash <= 0) throw invalid(`${quoted(text)} is not a partition; write TOPIC/PARTITION, such as orders/3`);
  if (!isTopicName(topic)) throw invalid(`${quoted(topic)} is not the name of a topic`);
  if (!/^\d{1,10}$/.test(digits) || Number(digits) > MAX_PARTITION) {
    throw invalid(`partition ${quoted(digits)} of ${topic} is not a number; write ${topic}/0 for the first one`);
  }
  return { topic, partition: Number(digits) };
}

/** An offset, in decimal digits. @throws USAGE_INVALID. */
export function parseOffset(text: string, flag: string): bigint {
  const offset = /^\d{1,19}$/.test(text) ? BigInt(text) : -1n;
  if (offset < 0n || offset > MAX_OFFSET)
    throw invalid(`${flag} ${quoted(text)} is not an offset; write a number from 0 on`);
  return offset;
}

/** From 0 on. @throws USAGE_INVALID. */
export function parsePartition(text: string, flag: string): number {
  if (!/^\d{1,10}$/.test(text) || Number(text) > MAX_PARTITION) {
    throw invalid(`${flag} ${quoted(text)} is not the number of a partition; the first one is 0`);
  }
  return Number(text);
}

/** At least one. @throws USAGE_INVALID. */
export function parseCount(text: string, flag: string): number {
  const count = /^\d{1,15}$/.test(text) ? Number(text) : 0;
  if (count < 1) throw invalid(`${flag} ${quoted(text)} is not a number from 1 on`);
  return count;
}

function quoted(text: string): string {
  return JSON.stringify(text.slice(0, 100));
}

function invalid(message: string): BackupError {
  return new BackupError('USAGE_INVALID', message);
}
