// The producer of a restore against a real broker: where its records are, what happens at the end of the sequences, and what it
// says when somebody else writes too. Kafka's own consumer judges.
import assert from 'node:assert/strict';
import { after, before, describe, it } from 'node:test';
import { KafkaCluster } from '../../src/kafka/connection/cluster.ts';
import { KafkaRestoreSink } from '../../src/kafka/kafkajs-restore-sink.ts';
import type { ProducerPosition } from '../../src/kafka/restore-sink.ts';
import { foreignTail } from '../../src/restore/run/log-tail.ts';
import { type KafkaBroker, startKafka } from '../support/kafka-broker.ts';
import { KafkaProbe } from '../support/kafka-probe.ts';
import { encodeBatch, text } from '../support/record-batches.ts';

const LOGGER = { debug() {}, info() {}, warn() {}, error() {} };
const RECORDS_A_BATCH = 7;
/** Older than brokers remember a producer for. */
const LONG_AGO_MS = 1_500_000_000_000;

describe('the producer of a restore', { timeout: 120_000 }, () => {
  let broker: KafkaBroker;
  let probe: KafkaProbe;
  let sink: KafkaRestoreSink;
  const never = new AbortController().signal;

  before(async () => {
    broker = await startKafka();
    probe = await KafkaProbe.start(broker.bootstrap);
    const [host = '', port] = broker.bootstrap.split(':');
    const settings = {
      clientId: 'test',
      tls: undefined,
      sasl: undefined,
      connectTimeoutMs: 5000,
      requestTimeoutMs: 10_000,
      keepAliveMs: null,
      noDelay: true,
    };
    const cluster = new KafkaCluster([{ host, port: Number(port) }], settings, LOGGER);
    sink = new KafkaRestoreSink(cluster, {
      produceTimeoutMs: 10_000,
      patienceMs: 60_000,
      logger: LOGGER,
      monotonicMs: () => performance.now(),
    });
    await sink.connect();
  });

  after(async () => {
    await sink?.close();
    await probe?.stop();
    await broker?.stop();
  });

  async function fresh(topic: string): Promise<ProducerPosition> {
    await probe.createTopic(topic);
    const { topics } = await sink.describeTopics([topic]);
    const topicId = topics[0]!.topicId;
    return { identity: await sink.obtainProducer(never), topicId, startOffset: 0n, recordsThere: 0n };
  }

  /** Sends batches whose records say their index, from `from` on. */
  async function send(topic: string, position: ProducerPosition, from: number, batches: number): Promise<void> {
    const producer = sink.openPartition({ topic, partition: 0 }, position, never);
    const acknowledged: Promise<void>[] = [];
    for (let batch = 0; batch < batches; batch += 1) {
      const records = Array.from({ length: RECORDS_A_BATCH }, (_, index) => ({
        timestampMs: LONG_AGO_MS,
        key: null,
        value: text(`record ${from + batch * RECORDS_A_BATCH + index}`),
      }));
      const sent = await producer.send(encodeBatch({ baseOffset: 0n, leaderEpoch: -1, records }), RECORDS_A_BATCH);
      acknowledged.push(sent.acknowledged);
    }
    await Promise.all(acknowledged);
  }

  async function assertRecords(topic: string, count: number): Promise<void> {
    const values = (await probe.records(topic, 0)).map(({ value }) => value?.toString());
    assert.deepEqual(
      values,
      Array.from({ length: count }, (_, index) => `record ${index}`),
    );
  }

  it('goes on with sequence 0 after 2^31 - 1, within a batch too', async () => {
    const { identity, topicId } = await fresh('wrapped');
    const before = 2n ** 31n - 24n;
    const position = { identity, topicId, startOffset: -before, recordsThere: before };
    await send('wrapped', position, 0, 10);
    await assertRecords('wrapped', 70);
    const tail = await sink.readBatch({ topic: 'wrapped', partition: 0 }, 69n);
    assert.equal(foreignTail(tail!, { identity, startOffset: -before, endOffset: 70n }), undefined);
    await send('wrapped', { ...position, recordsThere: before + 70n }, 70, 3);
    await assertRecords('wrapped', 91);
  });

  it('goes on behind what it sent before, and what was sent before the broker was restarted', async () => {
    const position = await fresh('continued');
    await send('continued', position, 0, 6);
    await broker.restart();
    await sink.describeTopics(['continued']);
    await send('continued', { ...position, recordsThere: 42n }, 42, 6);
    await assertRecords('continued', 84);
  });

  it('stops when a record of somebody else is where its own belong', async () => {
    const position = await fresh('contested');
    await send('contested', position, 0, 2);
    await probe.produceRecords('contested', 0, [{ value: 'not ours' }]);
    const later = { ...position, recordsThere: 14n };
    await assert.rejects(send('contested', later, 14, 8), {
      code: 'TARGET_CHANGED',
      message: /contested-0 .*offset 15/,
    });
  });

  it('reads whole batches back, and nothing behind the end', async () => {
    const position = await fresh('read');
    await send('read', position, 0, 2);
    const partition = { topic: 'read', partition: 0 };
    const [first, second] = [await sink.readBatch(partition, 3n), await sink.readBatch(partition, 13n)];
    assert.equal(Buffer.from(first!).readBigInt64BE(0), 0n);
    assert.equal(Buffer.from(second!).readBigInt64BE(0), 7n);
    assert.equal(await sink.readBatch(partition, 14n), undefined);
  });

  it('says of a batch that was deleted that it was', async () => {
    const position = await fresh('deleted');
    await send('deleted', position, 0, 2);
    await probe.deleteRecords('deleted', 0, 14n);
    await assert.rejects(sink.readBatch({ topic: 'deleted', partition: 0 }, 13n), {
      code: 'TARGET_CHANGED',
      message: /^deleted-0 begins at offset 14: the records .* were deleted$/,
    });
  });
});
