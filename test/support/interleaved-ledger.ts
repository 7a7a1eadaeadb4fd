// A topic of two partitions into which two producers write transactions that interleave, some of them aborted.
import type { KafkaProbe } from './kafka-probe.ts';

/** Creates it. Each round is a transaction of either producer, 300 records together. */
export async function writeLedger(probe: KafkaProbe, topic: string, rounds: number): Promise<void> {
  const records = (round: number, count: number) =>
    Array.from({ length: count }, (_, index) => ({ key: `${round}-${index}`, value: `amount ${round * index}` }));
  await probe.createTopic(topic, { partitions: 2 });
  for (let round = 0; round < rounds; round += 1) {
    await probe.txBegin('a');
    await probe.txBegin('b');
    await probe.txSend('a', topic, 0, records(round, 120));
    await probe.txSend('b', topic, 0, records(round + 100, 60));
    await probe.txSend('b', topic, 1, records(round + 200, 120));
    await (round % 3 === 1 ? probe.txAbort('a') : probe.txCommit('a'));
    await (round % 4 === 2 ? probe.txAbort('b') : probe.txCommit('b'));
  }
}
