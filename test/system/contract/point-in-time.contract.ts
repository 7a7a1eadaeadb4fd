// A restore to an instant, or to a window, holds exactly the records that the words mean (DESIGN 6): to the millisecond, both
// ends inclusive, whatever the order of the timestamps. Kafka's own consumer says what the source had then.
import assert from 'node:assert/strict';
import { after, before, describe, it } from 'node:test';
import { setTimeout as sleep } from 'node:timers/promises';
import type { AgentRun } from '../../support/agent-process.ts';
import { assertExit, droppedRecords, restoredRecords } from '../../support/agent-workspace.ts';
import { assertDigests, assertSameRecords, digestOf } from '../../support/compare-topics.ts';
import type { DigestOptions, KafkaProbe } from '../../support/kafka-probe.ts';
import { T0 } from '../../support/journeys/fidelity-topics.ts';
import {
  fillDecided,
  fillDropped,
  fillStraddled,
  fillTimed,
  SMALL_PARTS,
  TIMED_RECORDS,
  TIMED_RESTORES,
  TIMED_TOPICS,
} from '../../support/journeys/timed-topics.ts';
import { assertDropsAsPlanned, plannedDrops } from '../../support/planned-drops.ts';
import type { SuitePlace, SystemFixture } from '../../support/system-fixture.ts';

const { instant: TO_INSTANT, window: IN_WINDOW, cut: CUT } = TIMED_RESTORES;

export function describePointInTime({ name, timeoutMs, start }: SuitePlace): void {
  describe(name, { timeout: timeoutMs }, () => {
    let system: SystemFixture;
    let probe: KafkaProbe;
    let restores = 0;

    before(async () => {
      system = await start();
      ({ probe } = system);
      await fillTimed(probe);
      const run = await system.workspace.backup({
        backupId: 'clock',
        topics: TIMED_TOPICS,
        backup: SMALL_PARTS,
      });
      assertExit(run, 0);
    });

    after(() => system?.stop());

    /** Restores one topic of `backupId` under a new name. */
    async function restore(
      topic: string,
      options: {
        readonly backupId?: string;
        readonly args?: readonly string[];
        readonly restore?: Readonly<Record<string, unknown>>;
      },
    ): Promise<{ readonly run: AgentRun; readonly target: string }> {
      restores += 1;
      const target = `${topic}-${restores}`;
      const run = await system.workspace.restore({ backupId: 'clock', topics: { [topic]: target }, ...options });
      assertExit(run, 0);
      return { run, target };
    }

    /** Restores, and compares with what of the source a consumer is to find. */
    async function compare(
      topic: string,
      expected: DigestOptions,
      how: { readonly args?: readonly string[]; readonly restore?: Readonly<Record<string, unknown>> },
    ): Promise<number> {
      const { run, target } = await restore(topic, how);
      const compared = await assertSameRecords({ probe, topic, options: expected }, { probe, topic: target });
      assert.equal(restoredRecords(run.summary), compared);
      return compared;
    }

    for (const topic of TIMED_TOPICS) {
      it(`holds the records up to an instant, that millisecond included (${topic})`, async () => {
        const instant = TO_INSTANT.expected.toTimestampMs;
        const upTo = await compare(topic, TO_INSTANT.expected, TO_INSTANT);
        const before = await compare(topic, { toTimestampMs: instant - 1 }, { args: ['--to', String(instant - 1)] });
        assert.ok(
          before > 0 && upTo > before && upTo < TIMED_RECORDS,
          `${before} records before the instant, ${upTo} up to it`,
        );
      });

      it(`holds the records of a window, both of its ends included (${topic})`, async () => {
        const { fromTimestampMs: start, toTimestampMs: end } = IN_WINDOW.expected;
        const whole = await compare(topic, IN_WINDOW.expected, IN_WINDOW);
        const inner = await compare(
          topic,
          { fromTimestampMs: start + 1, toTimestampMs: end - 1 },
          { restore: { time_window_start: start + 1, time_window_end: end - 1 } },
        );
        assert.ok(inner > 0 && inner < whole, `${inner} records inside, ${whole} with both ends`);
      });

      it(`ends before the first record past the instant with cut: log (${topic})`, async () => {
        const compared = await compare(topic, CUT.expected, CUT);
        assert.ok(compared > 0 && compared < TIMED_RECORDS);
      });
    }

    it('restores an empty topic when the instant is before every record', async () => {
      const { run, target } = await restore('in-order', { args: ['--to', String(T0 - 1)] });
      assert.equal(restoredRecords(run.summary), 0);
      assert.equal((await probe.describeTopic(target)).partitions, 2);
      assert.deepEqual(
        [...(await digestOf({ probe, topic: target })).values()].map(({ recordCount }) => recordCount),
        [0, 0],
      );
    });

    it('takes an instant that is an age', async () => {
      const hour = 3_600_000;
      const now = Date.now();
      await probe.createTopic('recent');
      const older = { records: 300, startTimestampMs: now - 3 * hour };
      await probe.produce('recent', older);
      await probe.produce('recent', { records: 200, firstIndex: 300, startTimestampMs: now - hour });
      assertExit(await system.workspace.backup({ backupId: 'recent', topics: ['recent'] }), 0);
      const askedAt = Date.now();
      const { run, target } = await restore('recent', { backupId: 'recent', args: ['--to', '-2h'] });
      assert.equal(restoredRecords(run.summary), older.records);
      const expected = { toTimestampMs: now - 2 * hour };
      assert.equal(
        await assertSameRecords({ probe, topic: 'recent', options: expected }, { probe, topic: target }),
        older.records,
      );
      const [, echoed = ''] = /recovery target: (\d{4}-\d\d-\d\dT\S+Z)/.exec(run.stderr) ?? [];
      const age = Date.parse(echoed) + 2 * hour - askedAt;
      assert.ok(age >= 0 && age <= run.elapsedMs, `${echoed} is ${age} ms from what was asked for`);
    });

    it('leaves an offset map with one run more than holes, as text, CSV and JSON alike', async () => {
      await probe.createTopic('holes');
      const kept = [0, 1, 3, 4, 5, 9];
      const records = Array.from({ length: 10 }, (_, index) => {
        return { key: `${index}`, value: 'x', timestampMs: kept.includes(index) ? T0 : T0 + 1000 };
      });
      await probe.produceRecords('holes', 0, records);
      assertExit(await system.workspace.backup({ backupId: 'holes', topics: ['holes'] }), 0);
      const { run, target } = await restore('holes', { backupId: 'holes', args: ['--to', String(T0)] });
      const id = String(run.summary['id']);
      const map = async (format: string): Promise<string> => {
        const shown = await system.workspace.byAddress('holes', 'offset-map', id, '--format', format);
        assertExit(shown, 0);
        return shown.stdout;
      };
      const runs = [
        [0, 0, 2],
        [3, 2, 3],
        [9, 5, 1],
      ] as const;
      const [head, ...csv] = (await map('csv')).trimEnd().split('\n');
      assert.match(head ?? '', /^source_topic,.*,count$/);
      assert.deepEqual(
        csv,
        runs.map(([source, placed, count]) => `holes,0,${source},${target},0,${placed},${count}`),
      );
      const [title, ...lines] = (await map('text')).trimEnd().split('\n');
      assert.ok(title?.startsWith(`Restore ${id}   backup holes at version `), title);
      assert.deepEqual(
        lines,
        runs.map(([source, placed, count]) => {
          const [from, to] = [`${source}..${source + count - 1}`, `${placed}..${placed + count - 1}`];
          return `holes/0 ${from} -> ${target}/0 ${to} (${count})`;
        }),
      );
      const json = JSON.parse(await map('json')) as { readonly runs: readonly Readonly<Record<string, unknown>>[] };
      assert.deepEqual(
        json.runs.map(({ source_offset, target_offset, count }) => [source_offset, target_offset, count]),
        runs.map(([source, placed, count]) => [String(source), String(placed), count]),
      );
      const found = (await probe.listTopic(target)).get(0)!;
      assert.deepEqual(
        found.map(({ offset, key }) => [Number(offset), Number(key!.toString())]),
        kept.map((source, index) => [index, source]),
      );
    });

    it('drops a transaction that was committed after the instant, and holds one that was committed before', async () => {
      const instant = await fillDecided(probe);
      assertExit(await system.workspace.backup({ backupId: 'decided', topics: ['decided'] }), 0);

      const { run, target } = await restore('decided', { backupId: 'decided', args: ['--to', String(instant)] });
      await assertSameRecords({ probe, topic: 'decided-expected' }, { probe, topic: target });
      const { 'control-batch': _markers, ...dropped } = droppedRecords(run.summary);
      assert.deepEqual(dropped, { 'decided-after-target': 10, 'outside-window': 5 });

      const later = await restore('decided', { backupId: 'decided', args: ['--to', String(Date.now())] });
      assert.equal(await assertSameRecords({ probe, topic: 'decided' }, { probe, topic: later.target }), 30);
    });

    it('is planned with the numbers of records that transactions drop, by reason, and drops those', async () => {
      const instant = await fillDropped(probe);
      assertExit(await system.workspace.backup({ backupId: 'dropped', topics: ['dropped'], backup: SMALL_PARTS }), 0);

      const shown = await restore('dropped', { backupId: 'dropped', args: ['--to', String(instant), '--dry-run'] });
      const { 'control-batch': markers, 'outside-window': _outside, ...planned } = plannedDrops(shown.run.summary);
      assert.deepEqual(planned, {
        'aborted-transaction': ['exact', 6],
        'decided-after-target': ['exact', 3],
        'undecided-transaction': ['exact', 2],
        filtered: ['exact', 0],
      });
      assert.equal(markers![0], 'exact');
      const then = await restore('dropped', { backupId: 'dropped', args: ['--to', String(instant)] });
      assert.equal(restoredRecords(then.run.summary), 9);
      assertDropsAsPlanned(then.run.summary, 'to the instant');

      const latest = await restore('dropped', { backupId: 'dropped' });
      const { 'aborted-transaction': aborted, 'control-batch': all } = plannedDrops(latest.run.summary);
      assert.deepEqual(
        [aborted, all],
        [
          ['exact', 6],
          ['exact', 3],
        ],
      );
      assert.equal(restoredRecords(latest.run.summary), 12);
      assertDropsAsPlanned(latest.run.summary, 'to the latest state');
    });

    it('drops a transaction whose marker lies behind the cut of the log, though the marker is older than the instant', async () => {
      const instant = await fillStraddled(probe);
      assertExit(await system.workspace.backup({ backupId: 'straddled', topics: ['straddled'] }), 0);

      const args = ['--to', String(instant), '--cut', 'log'];
      const { run, target } = await restore('straddled', { backupId: 'straddled', args });
      await assertSameRecords({ probe, topic: 'straddled-expected' }, { probe, topic: target });
      const { 'control-batch': _markers, ...dropped } = droppedRecords(run.summary);
      assert.equal(dropped['decided-after-target'], 10);

      const byTime = await restore('straddled', { backupId: 'straddled', args: ['--to', String(instant)] });
      assert.equal(restoredRecords(byTime.run.summary), 20);
    });

    it('brings a deleted topic back, under its own name, as it was just before', async () => {
      await probe.createTopic('deleted', { partitions: 2, config: { 'retention.ms': 31_536_000_000_000 } });
      await probe.produce('deleted', { records: 1000, keys: 10, startTimestampMs: Date.now() - 60_000 });
      assertExit(await system.workspace.backup({ backupId: 'deleted', topics: ['delet*'] }), 0);
      const source = await digestOf({ probe, topic: 'deleted' });
      const instant = Date.now();
      await probe.deleteTopic('deleted');
      await gone('deleted');
      assertExit(await system.workspace.backup({ backupId: 'deleted', topics: ['delet*'] }), 0);
      const run = await system.workspace.restore({
        backupId: 'deleted',
        topics: { deleted: 'deleted' },
        args: ['--to', String(instant)],
      });
      assertExit(run, 0);
      assert.equal(await assertDigests(source, { probe, topic: 'deleted' }, { probe, topic: 'deleted' }), 1000);
      assert.equal((await probe.describeTopic('deleted')).configs['retention.ms'], '31536000000000');
    });

    /** Waits until the broker no longer answers for the topic. */
    async function gone(topic: string): Promise<void> {
      for (let attempt = 0; attempt < 100; attempt += 1) {
        const isThere = await probe.describeTopic(topic).then(
          () => true,
          () => false,
        );
        if (!isThere) return;
        await sleep(50);
      }
      assert.fail(`${topic} was not deleted`);
    }
  });
}
