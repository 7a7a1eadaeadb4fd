// The rates of a restore hold for all of it, whatever the number of partitions: measured over half a minute by the log ends and
// sizes that the broker tells, not by what the restore says of itself. So does the number of partitions that are filled at once.
import assert from 'node:assert/strict';
import { readdir, stat } from 'node:fs/promises';
import { join } from 'node:path';
import { after, before, describe, it, type TestContext } from 'node:test';
import { setTimeout as sleep } from 'node:timers/promises';
import type { AgentProcess } from '../support/agent-process.ts';
import { assertExit } from '../support/agent-workspace.ts';
import { assertSameRecords } from '../support/compare-topics.ts';
import type { KafkaProbe } from '../support/kafka-probe.ts';
import { SystemFixture } from '../support/system-fixture.ts';

const MEASURED_MS = 30_000;
const TOLERANCE = 0.05;
const RECORDS = 40_000;
const RECORDS_PER_SECOND = 1000;
const BYTES_PER_SECOND = 200_000;
/** Of small topics, each partition with as many records. */
const SMALL_TOPICS = ['bills', 'refunds'] as const;
const SMALL_PARTITIONS = 3;
const SMALL_RECORDS = 150;
const AT_ONCE = 2;

describe('a restore with limits', { timeout: 150_000 }, () => {
  let system: SystemFixture;
  let probe: KafkaProbe;

  before(async () => {
    system = await SystemFixture.start();
    ({ probe } = system);
    await probe.createTopic('orders', { partitions: 8 });
    await probe.produce('orders', { records: RECORDS, valueBytes: 200 });
    for (const topic of SMALL_TOPICS) {
      await probe.createTopic(topic, { partitions: SMALL_PARTITIONS });
      await probe.produce(topic, { records: SMALL_PARTITIONS * SMALL_RECORDS, valueBytes: 100 });
    }
    assertExit(await system.workspace.backup({ backupId: 'shop', topics: ['orders', ...SMALL_TOPICS] }), 0);
  });

  after(() => system?.stop());

  async function records(topic: string): Promise<number> {
    const ends = await probe.endOffsets(topic);
    return Number([...ends.values()].reduce((total, end) => total + end, 0n));
  }

  /** Of the record batches in the broker's log. */
  async function bytes(topic: string): Promise<number> {
    let total = 0;
    for (const folder of await readdir(system.broker.logDir)) {
      if (!folder.startsWith(`${topic}-`)) continue;
      const file = join(system.broker.logDir, folder, '00000000000000000000.log');
      total += (await stat(file)).size;
    }
    return total;
  }

  /** What is added to the topic in a second, from shortly after the restore's first record on. */
  async function measure(amount: () => Promise<number>, agent: AgentProcess): Promise<number> {
    while ((await amount().catch(() => 0)) === 0) await sleep(20);
    const [startedAt, before] = [performance.now(), await amount()];
    await sleep(MEASURED_MS);
    assert.ok(agent.isRunning, `the restore was done before the time was up\n${agent.stderr}`);
    const added = (await amount()) - before;
    return (added * 1000) / (performance.now() - startedAt);
  }

  it('keeps records and bytes per second within 5 percent over 30 seconds', async (context: TestContext) => {
    const { workspace } = system;
    const byRecords = await workspace.startRestore({
      backupId: 'shop',
      topics: { orders: 'by-records' },
      restore: { rate_limit_records_per_sec: RECORDS_PER_SECOND },
    });
    const byBytes = await workspace.startRestore({
      backupId: 'shop',
      topics: { orders: 'by-bytes' },
      restore: { rate_limit_bytes_per_sec: BYTES_PER_SECOND, compression: 'none' },
    });
    const [recordRate, byteRate] = await Promise.all([
      measure(() => records('by-records'), byRecords),
      measure(() => bytes('by-bytes'), byBytes),
    ]);
    context.diagnostic(
      `${recordRate.toFixed(0)} records/s of ${RECORDS_PER_SECOND}, ${byteRate.toFixed(0)} bytes/s of ${BYTES_PER_SECOND}`,
    );
    assert.ok(Math.abs(recordRate / RECORDS_PER_SECOND - 1) <= TOLERANCE, `${recordRate} records/s`);
    assert.ok(Math.abs(byteRate / BYTES_PER_SECOND - 1) <= TOLERANCE, `${byteRate} bytes/s`);
    assertExit(await byBytes.stop(), 130);
    assertExit(await byRecords.exit(), 0);
    await assertSameRecords({ probe, topic: 'orders' }, { probe, topic: 'by-records' });
  });

  /** Partitions of a target topic that hold some of their records, but not yet all. */
  async function unfinished(topic: string): Promise<readonly string[]> {
    const ends = await probe.endOffsets(topic).catch(() => new Map<number, bigint>());
    return [...ends]
      .filter(([, end]) => end > 0n && end < BigInt(SMALL_RECORDS))
      .map(([partition]) => `${topic}-${partition}`);
  }

  it('fills no more partitions at once than it may, those of all topics together', async (context: TestContext) => {
    const agent = await system.workspace.startRestore({
      backupId: 'shop',
      topics: Object.fromEntries(SMALL_TOPICS.map((topic) => [topic, `few-${topic}`])),
      restore: { max_concurrent_partitions: AT_ONCE, rate_limit_records_per_sec: 200, produce_batch_size: 10 },
    });
    const [one, other] = [`few-${SMALL_TOPICS[0]}`, `few-${SMALL_TOPICS[1]}`];
    const seen = new Set<string>();
    for (let before = await unfinished(one); agent.isRunning; ) {
      const between = await unfinished(other);
      const after = await unfinished(one);
      // What was unfinished before and after, was so when the other topic was looked at.
      const growing = [...before.filter((partition) => after.includes(partition)), ...between];
      assert.ok(growing.length <= AT_ONCE, `${growing.join(', ')} at once`);
      if (growing.length > 0) seen.add(growing.join(' + '));
      before = after;
    }
    assertExit(await agent.exit(), 0);
    context.diagnostic(`seen at once: ${[...seen].join(', ')}`);
    const pairs = [...seen].filter((growing) => growing.includes(' + '));
    assert.ok(pairs.length > 0, 'two partitions at once');
    assert.ok(
      pairs.some((growing) => growing.includes(one) && growing.includes(other)),
      'partitions of both topics at once',
    );
    for (const topic of SMALL_TOPICS) await assertSameRecords({ probe, topic }, { probe, topic: `few-${topic}` });
  });
});
