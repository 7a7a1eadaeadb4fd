// A restore against a model of a dozen lines, on random histories that a real broker wrote down: interleaved transactions that end
// on either side of the target, or never, timestamps out of order, holes, logs whose beginning is gone. Each partition is a case of
// its own. Kafka's own consumer reads what was restored; where nothing is cut away it also says what the source holds. And every plan
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
import {
  droppedTransactional,
  type RestoreTarget,
  restoredPrefix,
  restoredRecords,
} from '../support/history/restore-model.ts';
import type { KafkaProbe, ListedRecord } from '../support/kafka-probe.ts';
import { assertDropsAsPlanned } from '../support/planned-drops.ts';
import { SystemFixture } from '../support/system-fixture.ts';

const SEED = 20_261_123;
const PARTITIONS = 64;
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

  before(async () => {
    system = await SystemFixture.start();
    ({ probe } = system);
    await writeLate();
    await writeCompacted();
    const agent = await follow();
    for (const [index, name] of ['open', 'instant', 'window', 'prefix', 'uncommitted', 'offsets'].entries()) {
      written[name] = await write(name, SEED + 10 + index, { leavesOpen: name === 'open' });
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
  ): Promise<Written> {
    for (let attempt = 1; attempt <= ATTEMPTS; attempt += 1) {
      const topic = `history-${name}-${attempt}`;
      await probe.createTopic(topic, { partitions: PARTITIONS, config });
      const beganMs = Date.now();
      const instantMs = beganMs + budgetMs;
      const shape = { partitions: PARTITIONS, rounds: ROUNDS, driftMs: 200, leavesOpen: false, isKeyed: false };
      const history = new RandomHistory({ seed, instantMs, ...shape, ...options });
      const played = await probe.playScript(topic, history.script);
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

  /** Restores one topic under a new name. @returns the summary of the restore, and what a consumer finds */
  async function restore(name: string, settings: Readonly<Record<string, unknown>>) {
    const { topic } = written[name]!;
    restores += 1;
    const topics = { [topic]: `${topic}-${restores}` };
    const run = await system.workspace.restore({ backupId: 'histories', topics, restore: settings });
    assertExit(run, 0);
    const counts = assertDropsAsPlanned(run.summary, JSON.stringify(settings));
    for (const [certainty, count] of Object.entries(counts)) planned[certainty] = (planned[certainty] ?? 0) + count;
    return { summary: run.summary, found: await probe.listTopic(`${topic}-${restores}`) };
  }

  /** Restores one topic and compares every partition of it with the model. @returns the summary of the restore */
  async function assertRestored(name: string, wanted: RestoreTarget): Promise<JsonObject> {
    const { topic, log } = written[name]!;
    const { summary, found } = await restore(name, settingsOf(topic, wanted));
    for (let partition = 0; partition < PARTITIONS; partition += 1) {
      const records = log.get(partition) ?? [];
      const expected = await expectedOf(`${topic}-${partition}`, records, wanted);
      const where = `${topic}/${partition} to ${JSON.stringify(wanted)}, seed ${SEED}`;
      assertSame(found.get(partition) ?? [], expected, where);
      compared += 1;
      logs.add(`${topic}/${partition}`);
    }
    return summary;
  }

  async function expectedOf(directory: string, records: readonly PlacedRecord[], wanted: RestoreTarget) {
    const { toMs, cut } = wanted;
    if (cut !== 'log' || toMs === undefined) return restoredRecords(records, wanted);
    const file = join(system.broker.logDir, directory, '00000000000000000000.log');
    return restoredPrefix(records, { ...wanted, toMs }, await probe.dumpTransactions(file));
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

  it('hold a window, both ends included', async () => {
    const { instantMs } = written.window!;
    await assertRestored('window', { fromMs: instantMs - 1000, toMs: instantMs });
    await assertRestored('offsets', { fromMs: written.offsets!.instantMs - 1000 });
  });

  it('hold the prefix of the log before the first record past a window', async () => {
    const { instantMs } = written.prefix!;
    await assertRestored('prefix', { fromMs: instantMs - 1000, toMs: instantMs, cut: 'log' });
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
    const { found } = await restore('instant', { ...settingsOf(topic, wanted), repartitioning });
    const keys = Array.from({ length: 10 }, (_, index) => `key ${index}`);
    const chosen = await probe.keyPartition(keys, 5);
    for (let partition = 0; partition < 5; partition += 1) {
      const all = Array.from({ length: PARTITIONS }, (_, source) => log.get(source) ?? []);
      const expected = all.flatMap((records) => restoredRecords(records, wanted));
      const here = expected.filter(({ key }) => chosen[keys.indexOf(key!)] === partition);
      assertSame(found.get(partition) ?? [], here, `repartitioned ${topic}/${partition}, seed ${SEED}`);
    }
  });

  it('hold aborted records too, where these are asked for', async () => {
    const { instantMs } = written.uncommitted!;
    const window = { fromMs: instantMs - 1000, toMs: instantMs };
    await assertRestored('uncommitted', { ...window, isolation: 'read_uncommitted' });
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
