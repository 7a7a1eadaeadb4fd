// A restore against a model of a dozen lines, on random histories that a real broker wrote down: interleaved transactions that end
// on either side of the target, or never, timestamps out of order, holes, logs whose beginning is gone, windows wherever the dice put
// them. Each partition is a case of its own. Kafka's own consumer reads what was restored; where nothing is cut away it also says what the source holds. And every plan
// is held against the report: what it says that transactions drop, is dropped.
import assert from 'node:assert/strict';
import { after, before, describe, it, type TestContext } from 'node:test';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { isDeepStrictEqual } from 'node:util';
import type { AgentProcess, JsonObject } from '../support/agent-process.ts';
import { assertExit, droppedRecords } from '../support/agent-workspace.ts';
import { Dice } from '../support/history/dice.ts';
import { type HistoryOptions, type PlacedRecord, RandomHistory } from '../support/history/random-history.ts';
import { type RandomWindow, randomWindow } from '../support/history/random-window.ts';
import {
  droppedTransactional,
  type RestoreTarget,
  restoredRecords,
  restoredWindow,
} from '../support/history/restore-model.ts';
import type { KafkaProbe, ListedRecord, TransactionalBatch } from '../support/kafka-probe.ts';
import { assertDropsAsPlanned } from '../support/planned-drops.ts';
import { SystemFixture } from '../support/system-fixture.ts';

const SEED = 20_261_123;
const PARTITIONS = 64;
/** Of a history that lies in many topics, each of which is restored to a window of its own. */
const PARTITIONS_PER_TOPIC = 4;
const TOPICS = PARTITIONS / PARTITIONS_PER_TOPIC;
/** Those histories: one that ends all transactions, one that does not, and one whose aborted records are asked for too. */
const WINDOWED: readonly string[] = ['windows', 'hanging', 'uncommitted'];
const ROUNDS = 3;
/** What the first half of a history may take; adapted to what the one before took. */
const FIRST_BUDGET_MS = 4000;
const ATTEMPTS = 5;
const CLEANER_TIMEOUT_MS = 20_000;
/** Small parts, so that transactions, windows and cuts run across segments, frames and batches. */
const SMALL_PARTS = { segment_max_bytes: '3KiB', frame_bytes: '1KiB' };
const CONTINUOUS = {
  continuous: true,
  segment_max_interval_ms: 700,
  checkpoint_interval_secs: 1,
  sync_interval_secs: 1,
};

/** By partition, what was written and is still there. */
type Log = ReadonlyMap<number, readonly PlacedRecord[]>;

interface Written {
  /** Of a history in many topics, the beginning of their names. */
  readonly topic: string;
  readonly log: Log;
  readonly instantMs: number;
  /** By partition, the log end at the instant. */
  readonly endsAtInstant: readonly number[];
}

describe(`restores of random histories (seed ${SEED})`, { timeout: 300_000 }, () => {
  let system: SystemFixture;
  let probe: KafkaProbe;
  let budgetMs = FIRST_BUDGET_MS;
  let restores = 0;
  let compared = 0;
  const logs = new Set<string>();
  /** Counts above 0 that plans had of what they drop, by how certain. */
  const planned: Record<string, number> = {};
  const written: Record<string, Written> = {};
  /** Partitions restored to random windows, by how much of them lay in these. */
  const windowed = { none: 0, some: 0, all: 0 };
  const dumped = new Map<string, readonly TransactionalBatch[]>();

  before(async () => {
    system = await SystemFixture.start();
    ({ probe } = system);
    await writeLate();
    await writeCompacted();
    const agent = await follow();
    for (const [index, name] of ['open', 'instant', 'windows', 'hanging', 'uncommitted', 'offsets'].entries()) {
      const leavesOpen = name === 'open' || name === 'hanging';
      const partitionsPerTopic = WINDOWED.includes(name) ? PARTITIONS_PER_TOPIC : PARTITIONS;
      written[name] = await write(name, SEED + 10 + index, { leavesOpen }, {}, partitionsPerTopic);
    }
    // Whatever it holds by now is in the catalog, cut where its clock cut it; the next run brings the rest.
    assertExit(await agent.stop(), 0);
    const last = await system.workspace.backup({ backupId: 'histories', topics: ['history-*'], backup: SMALL_PARTS });
    assertExit(last, 0);
  });

  after(() => system?.stop());

  /** Plays a random history into a topic; again, into another one, where the broker was too slow for its instant. */
  async function write(
    name: string,
    seed: number,
    options: Partial<HistoryOptions> = {},
    config: Readonly<Record<string, string | number>> = {},
    partitionsPerTopic = PARTITIONS,
  ): Promise<Written> {
    for (let attempt = 1; attempt <= ATTEMPTS; attempt += 1) {
      const topic = `history-${name}-${attempt}`;
      const isOne = partitionsPerTopic === PARTITIONS;
      for (const name of isOne ? [topic] : topicsOf(topic)) {
        await probe.createTopic(name, { partitions: partitionsPerTopic, config });
      }
      const beganMs = Date.now();
      const instantMs = beganMs + budgetMs;
      const shape = { partitions: PARTITIONS, rounds: ROUNDS, driftMs: 200, leavesOpen: false, isKeyed: false };
      const history = new RandomHistory({ seed, instantMs, ...shape, ...options });
      const script = isOne ? history.script : { ...history.script, partitionsPerTopic };
      const played = await probe.playScript(topic, script);
      budgetMs = Math.ceil(1.5 * attempt * (played.settledMs[0]! - beganMs)) + 300;
      if (!history.isInTime(played)) continue;
      const { endsAtInstant } = history;
      return { topic, log: history.placed(played), instantMs, endsAtInstant };
    }
    assert.fail(`no first half of a history was written in time, ${budgetMs} ms at last`);
  }

  /** A log whose beginning is gone before the backup starts, in the middle of transactions and batches. */
  async function writeLate(): Promise<void> {
    const { topic, log, ...rest } = await write('late', SEED);
    const dice = new Dice(SEED);
    const kept = new Map<number, readonly PlacedRecord[]>();
    for (const [partition, records] of log) {
      const start = dice.pick(records).offset;
      await probe.deleteRecords(topic, partition, start);
      kept.set(
        partition,
        records.filter(({ offset }) => offset >= start),
      );
    }
    written.late = { topic, log: kept, ...rest };
  }

  /** A log with the holes that the cleaner leaves. It is stopped then; what it left is what a consumer finds. */
  async function writeCompacted(): Promise<void> {
    const eager = { 'segment.ms': 100, 'min.cleanable.dirty.ratio': 0.01, 'max.compaction.lag.ms': 1 };
    const config = { 'cleanup.policy': 'compact', 'delete.retention.ms': 0, ...eager };
    const { topic, log, ...rest } = await write('compacted', SEED + 1, { driftMs: 1000, isKeyed: true }, config);
    const total = [...log.values()].flat().length;
    const deadline = Date.now() + CLEANER_TIMEOUT_MS;
    let left: Map<number, ListedRecord[]>;
    do {
      assert.ok(Date.now() < deadline, 'the cleaner ran');
      await sleep(500);
      left = await probe.listTopic(topic);
    } while ([...left.values()].flat().length > total * 0.7);
    await probe.alterTopicConfig(topic, { 'cleanup.policy': 'delete' });
    await sleep(500);
    left = await probe.listTopic(topic);
    const survivors = [...log].map(([partition, records]): [number, readonly PlacedRecord[]] => {
      const offsets = new Set(left.get(partition)?.map(({ offset }) => offset));
      return [partition, records.filter(({ offset }) => offsets.has(offset))];
    });
    written.compacted = { topic, log: new Map(survivors), ...rest };
  }

  async function follow(): Promise<AgentProcess> {
    const backup = { ...SMALL_PARTS, ...CONTINUOUS };
    const agent = await system.workspace.startBackup({ backupId: 'histories', topics: ['history-*'], backup });
    await system.workspace.catalogUntil('histories', ({ version }) => version > 0);
    return agent;
  }

  /** Restores topics under new names. @returns the summary of the restore, and what a consumer finds, by source topic */
  async function restore(topics: readonly string[], settings: Readonly<Record<string, unknown>>) {
    restores += 1;
    const targets = Object.fromEntries(topics.map((topic) => [topic, `${topic}-${restores}`]));
    const run = await system.workspace.restore({ backupId: 'histories', topics: targets, restore: settings });
    assertExit(run, 0);
    const counts = assertDropsAsPlanned(run.summary, JSON.stringify(settings));
    for (const [certainty, count] of Object.entries(counts)) planned[certainty] = (planned[certainty] ?? 0) + count;
    const found = Object.entries(targets).map(
      async ([topic, target]) => [topic, await probe.listTopic(target)] as const,
    );
    return { summary: run.summary, found: new Map(await Promise.all(found)) };
  }

  /** Restores one topic and compares every partition of it with the model. @returns the summary of the restore */
  async function assertRestored(name: string, wanted: RestoreTarget): Promise<JsonObject> {
    const { topic, log } = written[name]!;
    const { summary, found } = await restore([topic], settingsOf(topic, wanted));
    for (let partition = 0; partition < PARTITIONS; partition += 1) {
      const records = log.get(partition) ?? [];
      const expected =
        wanted.cut === undefined
          ? restoredRecords(records, wanted)
          : restoredWindow(records, wanted, await transactionsOf(`${topic}-${partition}`));
      const where = `${topic}/${partition} to ${JSON.stringify(wanted)}, seed ${SEED}`;
      assertSame(found.get(topic)?.get(partition) ?? [], expected, where);
      compared += 1;
      logs.add(`${topic}/${partition}`);
    }
    return summary;
  }

  /** Batches and markers of transactions in a partition's log, told by Kafka's own tool. */
  async function transactionsOf(directory: string): Promise<readonly TransactionalBatch[]> {
    const file = join(system.broker.logDir, directory, '00000000000000000000.log');
    const batches = dumped.get(directory) ?? (await probe.dumpTransactions(file));
    dumped.set(directory, batches);
    return batches;
  }

  /** Restores the topics of a history in one go, each to a window of its own, and compares every partition with the model. */
  async function assertWindows(
    name: string,
    seed: number,
    isolation: NonNullable<RestoreTarget['isolation']>,
  ): Promise<void> {
    const { topic: prefix, log } = written[name]!;
    const dice = new Dice(seed);
    const windows = new Map<string, RandomWindow>();
    for (const [index, topic] of topicsOf(prefix).entries()) {
      const times: number[] = [];
      for (let partition = 0; partition < PARTITIONS_PER_TOPIC; partition += 1) {
        const records = log.get(index * PARTITIONS_PER_TOPIC + partition) ?? [];
        const batches = await transactionsOf(`${topic}-${partition}`);
        times.push(...[...records, ...batches].map(({ timestampMs }) => timestampMs));
      }
      windows.set(topic, randomWindow(dice, times));
    }
    const targets = [...windows].map(([topic, { fromMs, toMs, cut }]) => [
      topic,
      { ...(fromMs === undefined ? {} : { time_window_start: fromMs }), time_window_end: toMs ?? 'latest', cut },
    ]);
    const settings = { isolation, topic_targets: Object.fromEntries(targets) };
    const { found } = await restore([...windows.keys()], settings);
    for (const [partition, records] of log) {
      const topic = topicsOf(prefix)[Math.floor(partition / PARTITIONS_PER_TOPIC)]!;
      const at = partition % PARTITIONS_PER_TOPIC;
      const wanted = { ...windows.get(topic), isolation };
      const expected = restoredWindow(records, wanted, await transactionsOf(`${topic}-${at}`));
      const where = `${topic}/${at} to ${JSON.stringify(wanted)}, seed ${SEED}, windows of seed ${seed}`;
      assertSame(found.get(topic)?.get(at) ?? [], expected, where);
      compared += 1;
      logs.add(`${topic}/${at}`);
      const part = expected.length === 0 ? 'none' : expected.length === records.length ? 'all' : 'some';
      windowed[part] += 1;
    }
  }

  /** Asserts that the model of the latest state is what Kafka itself shows of the source. */
  async function assertSource(name: string): Promise<void> {
    const { topic, log } = written[name]!;
    const found = await probe.listTopic(topic, { isolation: 'read_committed' });
    for (const [partition, records] of log) {
      const expected = restoredRecords(records, {});
      assertSame(found.get(partition) ?? [], expected, `source ${topic}/${partition}, seed ${SEED}`);
    }
  }

  it('hold the latest state, and count what they drop for its transaction', async () => {
    const summary = await assertRestored('open', {});
    const { 'control-batch': markers, ...dropped } = droppedRecords(summary);
    assert.deepEqual(dropped, droppedTransactional([...written.open!.log.values()].flat()));
    assert.ok((dropped['undecided-transaction'] ?? 0) > 0 && (markers ?? 0) > 0);
    await assertRestored('open', { isolation: 'read_uncommitted' });
  });

  it('hold the latest state of logs that have lost their beginning', async () => {
    await assertSource('late');
    await assertRestored('late', {});
    await assertRestored('late', { toMs: written.late!.instantMs });
  });

  it('hold what the cleaner has left', async () => {
    await assertSource('compacted');
    await assertRestored('compacted', {});
    const { instantMs } = written.compacted!;
    await assertRestored('compacted', { fromMs: instantMs - 1000, toMs: instantMs });
  });

  it('hold the state of an instant: records up to it, transactions that were committed by then', async () => {
    await assertSource('instant');
    const { instantMs } = written.instant!;
    await assertRestored('instant', { toMs: instantMs });
    await assertRestored('instant', { toMs: instantMs, cut: 'log' });
  });

  it('hold windows that end at the last record', async () => {
    await assertRestored('offsets', { fromMs: written.offsets!.instantMs - 1000 });
  });

  it('hold of each topic a window of its own, wherever it begins and ends, and however the log is cut', async (context: TestContext) => {
    for (const [index, name] of WINDOWED.entries()) {
      await assertWindows(name, SEED + 30 + index, name === 'uncommitted' ? 'read_uncommitted' : 'read_committed');
    }
    context.diagnostic(
      `windows of seeds from ${SEED + 30}: by how much of a partition they hold, ${JSON.stringify(windowed)}`,
    );
    assert.ok(windowed.some > PARTITIONS && windowed.none > 0, JSON.stringify(windowed));
  });

  it('hold the offsets that were asked for, and the transactions that were committed below their end', async () => {
    const { log, endsAtInstant } = written.offsets!;
    const dice = new Dice(SEED);
    const limits = [...log].map(([partition, records]) => {
      const offsets = new Set(records.map(({ offset }) => offset));
      const ends = [BigInt(endsAtInstant[partition]!)];
      while (offsets.has(ends.at(-1)!)) ends.push(ends.at(-1)! + 1n);
      const from = dice.pick(records.filter(({ offset }) => offset < ends[0]!)).offset;
      return [partition, { from, to: dice.pick(ends) }] as const;
    });
    await assertRestored('offsets', { offsets: new Map(limits) });
  });

  it('hold the records that a filter wants, in the partitions that their keys choose', async () => {
    const { topic, log, instantMs } = written.instant!;
    const filter = { key: /[1-7]$/u, header: 'env', headerValue: /^(prod|test)$/u };
    const wanted = { toMs: instantMs, filter };
    const repartitioning = { [`${topic}-${restores + 1}`]: { strategy: 'murmur2', target_partitions: 5 } };
    const { found } = await restore([topic], { ...settingsOf(topic, wanted), repartitioning });
    const keys = Array.from({ length: 10 }, (_, index) => `key ${index}`);
    const chosen = await probe.keyPartition(keys, 5);
    for (let partition = 0; partition < 5; partition += 1) {
      const all = Array.from({ length: PARTITIONS }, (_, source) => log.get(source) ?? []);
      const expected = all.flatMap((records) => restoredRecords(records, wanted));
      const here = expected.filter(({ key }) => chosen[keys.indexOf(key!)] === partition);
      assertSame(found.get(topic)?.get(partition) ?? [], here, `repartitioned ${topic}/${partition}, seed ${SEED}`);
    }
  });

  it('are as many as they should be', (context: TestContext) => {
    assert.ok(logs.size >= 500, `${logs.size} different logs`);
    assert.ok((planned['exact'] ?? 0) > 500 && (planned['at-most'] ?? 0) > 50, JSON.stringify(planned));
    const records = Object.values(written).flatMap(({ log }) => [...log.values()].flat());
    context.diagnostic(
      `seed ${SEED}: ${logs.size} logs of ${records.length} records, ${compared} restored partitions compared, planned counts ${JSON.stringify(planned)}`,
    );
  });
});

/** Names of the topics of a history that lies in many. */
function topicsOf(prefix: string): string[] {
  return Array.from({ length: TOPICS }, (_, index) => `${prefix}-${index}`);
}

/** Section `restore` of the configuration. */
function settingsOf(topic: string, target: RestoreTarget): Readonly<Record<string, unknown>> {
  const { fromMs, toMs, cut, isolation, offsets, filter } = target;
  const limits = [...(offsets ?? [])].map(([partition, { from, to }]) => [
    String(partition),
    { from: Number(from), to: Number(to) },
  ]);
  return {
    ...(fromMs === undefined ? {} : { time_window_start: fromMs }),
    ...(toMs === undefined ? {} : { time_window_end: toMs }),
    ...(cut === undefined ? {} : { cut }),
    ...(isolation === undefined ? {} : { isolation }),
    ...(offsets === undefined ? {} : { offsets: { [topic]: Object.fromEntries(limits) } }),
    ...(filter === undefined
      ? {}
      : { filter: { key: filter.key.source, header: filter.header, header_value: filter.headerValue.source } }),
  };
}

function assertSame(found: readonly ListedRecord[], expected: readonly PlacedRecord[], where: string): void {
  const actual = found.map(({ timestampMs, key, value, headers }) => ({
    timestampMs,
    key: key?.toString() ?? null,
    value: value?.toString() ?? null,
    headers: headers.map((header) => ({ key: header.key, value: header.value?.toString() ?? null })),
  }));
  const wanted = expected.map(({ timestampMs, key, value, headers }) => ({ timestampMs, key, value, headers }));
  if (isDeepStrictEqual(actual, wanted)) return;
  const at = wanted.findIndex((record, index) => !isDeepStrictEqual(record, actual[index]));
  const first = at < 0 ? wanted.length : at;
  const source = expected[first];
  assert.deepEqual(
    actual.slice(first, first + 3),
    wanted.slice(first, first + 3),
    `${where}: ${actual.length} records instead of ${wanted.length}, the first difference is at ${first}, ` +
      `source offset ${source?.offset}, transaction ${JSON.stringify(source?.transaction)}`,
  );
}
