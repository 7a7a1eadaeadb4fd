// The story itself, step by step. Each step says what it does before it does it; a failed comparison or an end that is not
// clean throws, and the quickstart exits with 1.
import { setTimeout as sleep } from 'node:timers/promises';
import { kafkaVersion } from '../../test/support/kafka-jars.ts';
import type { KafkaProbe, PartitionDigest } from '../../test/support/kafka-probe.ts';
import type { RestoreView } from './control-client.ts';
import type { Narrator } from './narrator.ts';
import type { Scene } from './scene.ts';
import { BACKUP_ID, type Sidecar } from './sidecar.ts';

const TOPICS = [
  { topic: 'orders', partitions: 4, records: 150_000, restored: 'orders-restored' },
  { topic: 'payments', partitions: 2, records: 50_000, restored: 'payments-restored' },
] as const;
const TOTAL_RECORDS = TOPICS.reduce((total, { records }) => total + records, 0);
const GARBAGE_RECORDS = 20_000;
/** The records are spread over the last two hours. */
const HISTORY_MS = 2 * 3_600_000;
const BACKUP_TIMEOUT_MS = 120_000;
const POLL_MS = 100;

export const STEPS = 7;

type Digests = ReadonlyMap<number, PartitionDigest>;

export interface Cast {
  readonly scene: Scene;
  readonly narrator: Narrator;
}

/** Steps 1 to 6; the agent runs on. @throws when anything is not as promised */
export async function tellStory({ scene, narrator }: Cast): Promise<Sidecar> {
  narrator.step(`Start Kafka ${kafkaVersion()}`);
  const { broker, java } = await scene.startKafka();
  narrator.detail(`${broker.bootstrap}, KRaft, one JVM; its data in a temporary directory`, 'dim');

  narrator.step(`Write ${count(TOTAL_RECORDS)} records into two topics, with Kafka's own Java producer`);
  await writeHistory(java, narrator);
  const before = await digestAll(java, ({ topic }) => topic, narrator);

  narrator.step('Start the agent beside it, and wait until everything can be restored');
  const sidecar = await scene.startSidecar(broker.bootstrap);
  narrator.detail(`kafka-backup backup --config ${sidecar.configFile}`, 'dim');
  await awaitRestorable(sidecar, narrator);

  const badDeployMs = Date.now();
  narrator.step(`Bad deploy at ${clock(badDeployMs)}`);
  await java.produce('orders', {
    records: GARBAGE_RECORDS,
    seed: 666,
    keys: 1000,
    valueBytes: 40,
    startTimestampMs: badDeployMs,
    timestampStepMs: 0,
  });
  await java.deleteTopic('payments');
  narrator.detail(`${count(GARBAGE_RECORDS)} garbage records written into orders`, 'red');
  narrator.detail('payments deleted, with everything in it', 'red');

  const pointInTime = new Date(badDeployMs - 1).toISOString();
  narrator.step(`Restore both topics to ${clock(badDeployMs - 1)}, one millisecond before`);
  await restoreBoth(sidecar, pointInTime, narrator);

  narrator.step('Compare every record, read by a Java consumer: keys, values, headers, timestamps, order');
  compare(before, await digestAll(java, ({ restored }) => restored, narrator), narrator);
  return sidecar;
}

/** Step 7: SIGTERM, as systemd or Kubernetes send it. @throws unless the agent ends with 0 and no process is left */
export async function endStory({ scene, narrator }: Cast, sidecar: Sidecar): Promise<void> {
  narrator.step('Stop the agent with SIGTERM: it commits what it holds and sums up');
  const { exitCode, summary } = await sidecar.stop();
  narrator.detail(summary);
  if (exitCode !== 0) throw new Error(`the agent ended with exit code ${exitCode}`);
  const left = await scene.close();
  narrator.detail(`exit code 0; ${left.length} processes left`);
  if (left.length > 0) throw new Error(`still running: ${left.join(', ')}`);
}

async function writeHistory(java: KafkaProbe, narrator: Narrator): Promise<void> {
  await Promise.all(TOPICS.map(({ topic, partitions }) => java.createTopic(topic, { partitions })));
  const endMs = Date.now();
  const written = await Promise.all(
    TOPICS.map(({ topic, records }, index) => {
      const timestampStepMs = HISTORY_MS / records;
      const spec = { records, seed: index + 7, keys: 5000, headers: true, codec: 'lz4' } as const;
      return java.produce(topic, { ...spec, startTimestampMs: endMs - HISTORY_MS, timestampStepMs });
    }),
  );
  for (const [index, { topic, partitions, records }] of TOPICS.entries()) {
    const megabytes = ((written[index]?.valueBytes ?? 0) / 1e6).toFixed(1);
    narrator.detail(
      `${topic.padEnd(9)} ${partitions} partitions  ${count(records).padStart(7)} records  ${megabytes.padStart(5)} MB of JSON`,
    );
  }
}

/** What a consumer of another make reads: a SHA-256 over every record of each partition, in order. */
async function digestAll(
  java: KafkaProbe,
  nameOf: (topic: (typeof TOPICS)[number]) => string,
  narrator: Narrator,
): Promise<readonly Digests[]> {
  narrator.progress('reading every record with a Java consumer ...');
  return Promise.all(TOPICS.map((topic) => java.digest(nameOf(topic), { isolation: 'read_committed' })));
}

async function awaitRestorable(sidecar: Sidecar, narrator: Narrator): Promise<void> {
  const startedMs = Date.now();
  for (;;) {
    if (!sidecar.isRunning) throw new Error('the agent has ended');
    const view = await sidecar.control.backup(BACKUP_ID);
    const records = view?.since_start.records ?? 0;
    const to = view?.restorable.to ?? null;
    if (
      view !== undefined &&
      to !== null &&
      records === TOTAL_RECORDS &&
      view.lag_records === 0 &&
      Date.parse(to) >= startedMs
    ) {
      const { segments, stored_bytes } = view.since_start;
      const stored = `${count(records)} records in ${segments} segments, ${(stored_bytes / 1e6).toFixed(1)} MB stored`;
      narrator.detail(`restorable to ${clock(Date.parse(to))}: ${stored}`);
      return;
    }
    if (Date.now() - startedMs > BACKUP_TIMEOUT_MS) throw new Error(`only ${count(records)} records were backed up`);
    narrator.progress(`${count(records)} of ${count(TOTAL_RECORDS)} records committed ${view?.trouble ?? ''}`);
    await sleep(POLL_MS);
  }
}

async function restoreBoth(sidecar: Sidecar, pointInTime: string, narrator: Narrator): Promise<void> {
  const topicMapping = Object.fromEntries(TOPICS.map(({ topic, restored }) => [topic, restored]));
  const body = { point_in_time: pointInTime, topics: TOPICS.map(({ topic }) => topic), topic_mapping: topicMapping };
  const shown = Object.entries(body).map(([field, value]) => `  "${field}": ${JSON.stringify(value)}`);
  narrator.detail(`POST ${sidecar.origin}/v1/restores\n${shown.join(',\n')}`, 'dim');
  const started = await sidecar.control.startRestore(body);
  const ended = await sidecar.control.follow(started, (view) => narrator.progress(progressOf(view)));
  if (ended.state !== 'COMPLETED') {
    throw new Error(
      `the restore is ${ended.state}: ${ended.error?.message ?? 'no reason'}. ${ended.error?.hint ?? ''}`,
    );
  }
  narrator.detail(progressOf(ended));
  const held = (await sidecar.control.backup(BACKUP_ID))?.since_start.records ?? 0;
  if (held !== TOTAL_RECORDS + GARBAGE_RECORDS) throw new Error(`the backup holds ${count(held)} records`);
  narrator.detail(`the backup holds ${count(held)} records by now, the garbage too; none of it was restored`);
}

function progressOf({ id, state, progress }: RestoreView): string {
  if (progress === null) return `${id} ${state}`;
  const { percent, records_done, partitions_done, partitions_total } = progress;
  return `${id} ${state} ${percent} %: ${count(records_done)} records, ${partitions_done} of ${partitions_total} partitions`;
}

function compare(before: readonly Digests[], after: readonly Digests[], narrator: Narrator): void {
  let failures = 0;
  let records = 0;
  for (const [index, { topic, partitions, restored }] of TOPICS.entries()) {
    for (let partition = 0; partition < partitions; partition += 1) {
      const was = before[index]?.get(partition);
      const is = after[index]?.get(partition);
      const where = `${`${topic}/${partition}`.padEnd(10)} = ${`${restored}/${partition}`.padEnd(19)}`;
      if (was !== undefined && is !== undefined && was.recordCount === is.recordCount && was.sha256 === is.sha256) {
        records += is.recordCount;
        narrator.pass(`${where}  ${count(is.recordCount).padStart(6)} records  sha256 ${is.sha256.slice(0, 16)}...`);
      } else {
        failures += 1;
        const told = (digest: PartitionDigest | undefined): string =>
          digest === undefined ? 'absent' : `${count(digest.recordCount)} records, sha256 ${digest.sha256}`;
        narrator.fail(`${where}  was ${told(was)}; is ${told(is)}`);
      }
    }
  }
  if (failures > 0) throw new Error(`${failures} partitions are not as they were`);
  if (records !== TOTAL_RECORDS)
    throw new Error(`${count(records)} records were compared, not ${count(TOTAL_RECORDS)}`);
  narrator.pass(`all ${count(records)} records are as they were before the bad deploy; nothing else is there`);
}

function count(value: number): string {
  return value.toLocaleString('en-US');
}

/** `06:45:14.412 UTC` */
function clock(epochMs: number): string {
  return `${new Date(epochMs).toISOString().slice(11, 23)} UTC`;
}
