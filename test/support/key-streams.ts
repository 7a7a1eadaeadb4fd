// The records of a topic by key, in the order in which a consumer finds each key's: what a change of partitions keeps.
import assert from 'node:assert/strict';
import type { KafkaProbe, ListedRecord } from './kafka-probe.ts';

/** Asserts that `restored` has the records of `source`, each key's in order, in those of `partitions` that Kafka chooses for the keys. */
export async function assertSameByKey(
  probe: KafkaProbe,
  source: string,
  restored: string,
  partitions: number,
): Promise<void> {
  const found = await probe.listTopic(restored);
  assert.equal(found.size, partitions);
  for (const [partition, records] of found) {
    const keys = records.map(({ key }) => key ?? Buffer.alloc(0));
    assert.deepEqual(new Set(await probe.keyPartition(keys, partitions)), new Set([partition]));
  }
  assert.deepEqual(keyStreams(found), keyStreams(await probe.listTopic(source)));
}

/**
 * By key, all that a consumer sees of each record but its place. Kafka keeps a key in one partition, so its order is that of
 * the log. Fails on a key that lies in two partitions, or on a record without one.
 */
function keyStreams(topic: ReadonlyMap<number, readonly ListedRecord[]>): Map<string, string[]> {
  const streams = new Map<string, string[]>();
  for (const [partition, records] of topic) {
    const here = Map.groupBy(records, ({ key }) => key?.toString('hex') ?? assert.fail('a record without a key'));
    for (const [key, found] of here) {
      assert.ok(!streams.has(key), `key ${key} is in partition ${partition} and in another one`);
      streams.set(key, found.map(content));
    }
  }
  return new Map([...streams].sort(([a], [b]) => (a < b ? -1 : 1)));
}

function content({ timestampMs, value, headers }: ListedRecord): string {
  const shown = headers.map((header) => [header.key, header.value?.toString('base64') ?? null]);
  return JSON.stringify([timestampMs, value?.toString('base64') ?? null, shown]);
}
