// Timestamps that no number holds exactly, such as a producer's nanoseconds, among ordinary ones: legal where a topic allows them, and
// restored to the last digit whatever becomes of their batch. Kafka's own consumer compares.
import assert from 'node:assert/strict';
import { after, before, describe, it } from 'node:test';
import type { JsonObject } from '../../support/agent-process.ts';
import { assertExit } from '../../support/agent-workspace.ts';
import { assertSameRecords } from '../../support/compare-topics.ts';
import { CODECS, FOREVER_MS, fillCompactedNanoseconds } from '../../support/journeys/fidelity-topics.ts';
import type { DigestOptions, KafkaProbe, RecordToSend } from '../../support/kafka-probe.ts';
import type { SuitePlace, SystemFixture } from '../../support/system-fixture.ts';

const T0 = 1_700_000_000_000;
const NANOSECONDS = BigInt(T0) * 1_000_000n + 123_457n;
const LARGEST = 2n ** 63n - 1n;
/** One batch for each codec and list. */
const TIMES: readonly (readonly (number | bigint)[])[] = [
  [T0],
  [NANOSECONDS],
  [T0 + 1000],
  [T0 + 1001, NANOSECONDS + 1n, T0 + 2000, LARGEST, 5],
  [NANOSECONDS + 2n, 6, 2n ** 53n, 2 ** 53 - 1, T0 + 1500],
];

export function describeNanoseconds({ name, timeoutMs, start }: SuitePlace): void {
  describe(name, { timeout: timeoutMs }, () => {
    let system: SystemFixture;
    let probe: KafkaProbe;
    let records = 0;

    before(async () => {
      system = await start();
      ({ probe } = system);
      await probe.createTopic('nano', { config: { 'message.timestamp.after.max.ms': FOREVER_MS, 'retention.ms': -1 } });
      for (const codec of CODECS) {
        for (const times of TIMES) {
          const batch = times.map(
            (timestampMs): RecordToSend => ({ key: `${records % 7}`, value: codec, timestampMs }),
          );
          await probe.produceRecords('nano', 0, batch, { codec });
          records += batch.length;
        }
      }
      for (const recompress of ['always', 'never']) {
        const run = await system.workspace.backup({
          backupId: `nano-${recompress}`,
          topics: ['nano'],
          backup: { recompress },
        });
        assertExit(run, 0);
      }
    });

    after(() => system?.stop());

    const ways: readonly {
      readonly name: string;
      readonly args?: readonly string[];
      readonly restore?: JsonObject;
      readonly expected?: DigestOptions;
    }[] = [
      { name: 'whole' },
      { name: 'lz4', restore: { compression: 'lz4' } },
      { name: 'to', args: ['--to', `${T0 + 1000}`], expected: { toTimestampMs: T0 + 1000 } },
      { name: 'from', args: ['--from', `${T0 + 1000}`], expected: { fromTimestampMs: T0 + 1000 } },
      {
        name: 'log',
        args: ['--cut', 'log', '--to', `${T0 + 1000}`],
        expected: { toTimestampMs: T0 + 1000, cut: 'log' },
      },
      {
        name: 'offsets',
        args: ['--offsets', 'nano/0=1..6'],
        expected: { offsets: { 0: { fromOffset: 1n, endOffset: 6n } } },
      },
      { name: 'filter', restore: { filter: { key: '.' } } },
      { name: 'by-key', restore: { repartitioning: { 'nano-by-key': { strategy: 'murmur2', target_partitions: 1 } } } },
    ];
    for (const { name, args = [], restore = {}, expected = {} } of ways) {
      it(`are exact in a restore: ${name}`, async () => {
        for (const [index, recompress] of ['always', 'never'].entries()) {
          const target = `nano-${name}${index === 0 ? '' : '-kept'}`;
          if (index > 0 && 'repartitioning' in restore) continue;
          const backupId = `nano-${recompress}`;
          const run = await system.workspace.restore({ backupId, topics: { nano: target }, restore, args });
          assertExit(run, 0);
          const compared = await assertSameRecords(
            { probe, topic: 'nano', options: expected },
            { probe, topic: target },
          );
          assert.ok(compared > 0);
          assertExit(await system.workspace.verifyRestore(backupId, String(run.summary['id'])), 0);
        }
      });
    }

    it('are told exactly in the header for them', async () => {
      const restore = { include_original_offset_header: true };
      assertExit(
        await system.workspace.restore({ backupId: 'nano-always', topics: { nano: 'nano-told' }, restore }),
        0,
      );
      const told = (await probe.records('nano-told', 0)).map(({ headers }) => headers.at(-2)!.value!.readBigInt64LE());
      assert.deepEqual(told, CODECS.flatMap(() => TIMES.flat()).map(BigInt));
    });

    it('are exact where compaction left holes', async () => {
      await fillCompactedNanoseconds(probe);
      await system.roundTrip('nanoseconds-compacted');
    });

    it('are shown as digits by cat, and the others as numbers', async () => {
      const run = await shown(['cat', 'nano/0', '--json'], 'nano-always');
      const lines = run
        .trim()
        .split('\n')
        .map((line) => JSON.parse(line) as JsonObject);
      assert.deepEqual(
        lines.map(({ timestamp }) => timestamp),
        CODECS.flatMap(() => TIMES.flat()).map((time) => (typeof time === 'bigint' ? String(time) : time)),
      );
    });

    it('leave the ends of a plan and the beginning of the restorable window known', async () => {
      for (const [backupId, from] of [
        ['nano-always', '1970-01-01T00:00:00.005Z'],
        ['nano-never', null],
      ] as const) {
        const run = await system.workspace.restore({ backupId, topics: { nano: 'nano-planned' }, args: ['--dry-run'] });
        assertExit(run, 0);
        const [topic] = (run.summary as unknown as { plan: { topics: readonly JsonObject[] } }).plan.topics;
        assert.equal(topic!['to'], '9007199254740991');
        if (from === null) assert.equal(typeof topic!['from'], 'string');
        else assert.equal(topic!['from'], from);
        const described = JSON.parse(await shown(['describe', '--json'], backupId)) as { restorable: JsonObject };
        assert.equal(described.restorable['from'], topic!['from']);
      }
    });

    async function shown(args: readonly string[], backupId: string): Promise<string> {
      const run = await system.workspace.byAddress(backupId, ...args);
      assertExit(run, 0);
      return run.stdout;
    }
  });
}
