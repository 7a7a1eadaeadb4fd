import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import type { SegmentSummary } from '../../../../src/model/segment/segment.ts';
import { isBlocked } from '../../../../src/restore/preflight.ts';
import type { RestoreRequest } from '../../../../src/restore/restore-job.ts';
import type { RestoreSettings } from '../../../../src/restore/restore-settings.ts';
import { gap, NOW_MS, partition, plan, seen, stateOf, stored, T0, timed, truncation } from '../plan/plan-fixture.ts';
import { A0, assertFinding, check, findings, PlannedTarget, STATE, storeOf } from '../preflight-fixture.ts';

describe('the preflight of the records', () => {
  const OLD: Partial<SegmentSummary> = { minTimestampMs: T0, maxTimestampMs: T0 + 1000 };
  const made = plan(
    stateOf(
      seen('a', 1, { replicationFactor: 1 }),
      stored(A0, 0n, 10n, OLD),
      stored(A0, 10n, 30n, { minTimestampMs: NOW_MS - 50, maxTimestampMs: NOW_MS }),
    ),
  );

  test('warns with numbers of what the target will delete, be it by its default', async () => {
    const target = new PlannedTarget({ defaults: { 'retention.ms': '100000', 'cleanup.policy': 'delete' } });
    await assertFinding(
      target,
      /warn retention: a keeps records for 100000 ms .* at least 10 of about 30, .* the oldest is of 2023-11-14/,
      { made },
    );
    await assertFinding(
      new PlannedTarget({ defaults: { 'retention.bytes': '1999' } }),
      /warn retention: a keeps 1999 bytes .* about 2000.*restore\.topic_configs: \{a: \{retention\.bytes: "-1"\}\} keeps them/,
      { made },
    );
    const there = new PlannedTarget({ topics: { a: { ends: [0n, 0n] } }, defaults: { 'retention.ms': '100000' } });
    await assertFinding(
      there,
      /warn retention: .*the topic exists and keeps its own configuration: set retention\.ms=-1 on it/,
      { made },
    );
  });

  test('warns of what is more than a partition of the target keeps, be it in fewer or in more of them', async () => {
    const spread = (partitions: number): Promise<string[]> => {
      const made = plan(STATE, { repartitioning: { a: { partitions, partitioning: 'by-key' } } });
      return check(new PlannedTarget({ defaults: { 'retention.bytes': '1000' } }), { made }).then(findings);
    };
    const [one = ''] = await spread(1);
    assert.match(
      one,
      /warn retention: a keeps 1000 bytes .*: 1 of 1 partition\(s\) get more, partition 0 about 2000 before/,
    );
    assert.deepEqual(await spread(2), []);
    assert.deepEqual(await spread(3), []);
  });

  test('does not claim to know the oldest timestamp where only the newest is known', async () => {
    const state = stateOf(
      seen('a', 1, { replicationFactor: 1 }),
      stored(A0, 0n, 10n, { ...OLD, minTimestampMs: null }),
    );
    await assertFinding(
      new PlannedTarget({ defaults: { 'retention.ms': '100000' } }),
      /warn retention: .* the oldest is of 2023-11-14T22:13:21\.000Z or before;/,
      { made: plan(state) },
    );
  });

  test('does not warn where nothing is deleted', async () => {
    const kept: readonly Readonly<Record<string, string>>[] = [
      { 'retention.ms': '-1' },
      { 'retention.ms': '100000', 'cleanup.policy': 'compact' },
      { 'retention.ms': String(NOW_MS) },
      { 'retention.bytes': '2000' },
    ];
    for (const defaults of kept) assert.deepEqual(findings(await check(new PlannedTarget({ defaults }), { made })), []);
  });

  test('warns of gaps, and of a backup that had not caught up', async () => {
    const behind = plan(
      stateOf(
        seen('a', 1, { replicationFactor: 1 }),
        gap(A0, 0n, 4n),
        stored(A0, 5n, 10n, { ...OLD, capturedAtMs: T0 + 2000, reachedLogEnd: false }),
      ),
      { recoveryTarget: { cut: 'timestamp', toMs: T0 + 5000 } },
    );
    await assertFinding(
      new PlannedTarget(),
      /warn coverage: nothing of these .*\nwarn gap: a-0: offsets 0\.\.4 were never backed up \(retention\)\nwarn coverage: a-0: .* at offset 10/,
      { made: behind },
    );
  });

  test('warns of a target past all that was captured, once for all topics', async () => {
    const B0 = partition('b', 0, 'B');
    const both = stateOf(
      seen('a', 1, { replicationFactor: 1 }),
      seen('b', 1, { replicationFactor: 1, letter: 'B' }),
      stored(A0, 0n, 10n, { ...OLD, capturedAtMs: T0 + 3000 }),
      stored(B0, 0n, 10n, { ...OLD, capturedAtMs: T0 + 2000 }),
    );
    const until = (toMs: number) => plan(both, { recoveryTarget: { cut: 'timestamp', toMs: T0 + toMs } });
    const result = await check(new PlannedTarget(), { made: until(4000) });
    assert.match(
      findings(result).join('\n'),
      /^warn coverage: nothing of these topics was captured after 2023-.*\(version 7/,
    );
    assert.equal(findings(result).length, 1);
    assert.deepEqual(findings(await check(new PlannedTarget(), { made: until(3000) })), []);
  });

  test('warns of partitions of which the backup knows nothing, and of another life of the topic in the window', async () => {
    const again = partition('a', 0, 'C');
    const two = stateOf(
      seen('a', 1, { replicationFactor: 1 }),
      stored(A0, 0n, 10n, OLD),
      seen('a', 3, { replicationFactor: 1, letter: 'C', observedAtMs: T0 + 1500 }),
      stored(again, 0n, 10n, { minTimestampMs: T0 + 1600, maxTimestampMs: T0 + 1700, capturedAtMs: T0 + 5000 }),
    );
    const made = plan(two, { recoveryTarget: { cut: 'timestamp', fromMs: T0 + 500, toMs: T0 + 2000 } });
    await assertFinding(
      new PlannedTarget(),
      /warn coverage: a: the backup holds nothing of partition\(s\) 1, 2: .*\nwarn coverage: a: the topic was made anew, .* records of 2023-\S+ to 2023-/,
      { made },
    );
  });

  test('warns of what the log of the source has lost since the target, though the backup holds it', async () => {
    const lossAtMs = T0 + 5000;
    const state = stateOf(
      seen('a', 1, { replicationFactor: 1 }),
      timed(A0, [0n, 10n], [0, 1000]),
      timed(A0, [10n, 20n], [1001, 2000]),
      timed(A0, [20n, 30n], [2001, 3000]),
      truncation(A0, 15n, 1, lossAtMs),
      stored(A0, 15n, 18n, { minTimestampMs: T0 + 6000, maxTimestampMs: T0 + 6100, timeline: 1 }),
    );
    const lost = async (toMs: number | undefined, offsets: Partial<RestoreRequest> = {}) => {
      const recoveryTarget = { cut: 'log' as const, ...(toMs === undefined ? {} : { toMs: T0 + toMs }) };
      const result = await check(new PlannedTarget(), { made: plan(state, { recoveryTarget, ...offsets }) });
      return findings(result).flatMap(
        (one) => /^warn coverage: a-0: .*has lost offsets (\S+), which/.exec(one)?.[1] ?? [],
      );
    };
    assert.deepEqual(await lost(4000), ['15..29']);
    assert.deepEqual(await lost(2000), ['15..19']);
    assert.deepEqual(await lost(1000), []);
    assert.deepEqual(await lost(5000), []);
    assert.deepEqual(await lost(undefined), []);
    const offsets = [{ topic: 'a', partition: 0, fromOffset: 16n, toOffset: 17n }];
    assert.deepEqual(await lost(4000, { offsets }), ['16..16']);
  });

  test('warns of a topic of which nothing would be restored', async () => {
    const empty = plan(stateOf(seen('a', 1, { replicationFactor: 1 }), stored(A0, 0n, 10n, OLD)), {
      recoveryTarget: { cut: 'timestamp', toMs: T0 - 1 },
    });
    await assertFinding(
      new PlannedTarget(),
      /warn coverage: a: the backup holds no record inside the recovery target/,
      { made: empty },
    );
  });

  test('warns of batches that the target does not take whole', async () => {
    const target = new PlannedTarget({ defaults: { 'max.message.bytes': '899' } });
    await assertFinding(target, /warn batch size: .*has 900 bytes, a takes 899/, { made });
    assert.deepEqual((await check(target, { made })).batchLimits.get('a'), { maxMessageBytes: 899, brokerCodec: null });
    for (const [type, brokerCodec] of [
      ['producer', null],
      ['uncompressed', 'none'],
      ['lz4', 'lz4'],
    ] as const) {
      const typed = new PlannedTarget({ defaults: { 'max.message.bytes': '899', 'compression.type': type } });
      assert.deepEqual((await check(typed, { made })).batchLimits.get('a'), { maxMessageBytes: 899, brokerCodec });
    }
    const roomy = new PlannedTarget({ defaults: { 'max.message.bytes': '950' } });
    assert.deepEqual(findings(await check(roomy, { made })), []);
    const shaped = { ...made, includeOriginalOffsetHeader: true };
    await assertFinding(roomy, /warn batch size: .*has 988 bytes with the headers that are added, a takes 950/, {
      made: shaped,
    });
  });

  test('takes no batch to fit that is larger than a segment of the log may be', async () => {
    const target = new PlannedTarget({ defaults: { 'max.message.bytes': '2000', 'segment.bytes': '899' } });
    await assertFinding(target, /warn batch size: .*has 900 bytes, a takes 899: .* raise segment\.bytes of the topic/, {
      made,
    });
    assert.equal((await check(target, { made })).batchLimits.get('a')?.maxMessageBytes, 899);
  });

  describe('on a record that alone is larger than the target takes', () => {
    const RECORD_BYTES = 850;
    const records = (change: Partial<SegmentSummary> = {}) => {
      const single = {
        minTimestampMs: T0,
        maxTimestampMs: T0 + 9,
        maxIndivisibleBatchSizeBytes: RECORD_BYTES,
        ...change,
      };
      return stateOf(seen('a', 1, { replicationFactor: 1 }), stored(A0, 0n, 10n, single));
    };
    const small = { 'max.message.bytes': '849' };
    const levelOf = async (
      request: Partial<RestoreRequest>,
      change: Partial<SegmentSummary> = {},
      settings: Partial<RestoreSettings> = {},
    ) => {
      const target = new PlannedTarget({ defaults: small });
      const { checks } = await check(target, {
        made: plan(records(change), request),
        settings,
      });
      return checks.filter(({ name }) => name === 'batch size').map(({ level }) => level);
    };

    test('blocks, and says what would make room', async () => {
      const made = plan(records());
      await assertFinding(
        new PlannedTarget({ defaults: small }),
        /block batch size: .* of 850 bytes, a takes 849; restore\.topic_configs: \{a: \{max\.message\.bytes: "850"\}\} makes room for it/,
        { made },
      );
      await assertFinding(
        new PlannedTarget({ topics: { a: { ends: [0n], configs: small } } }),
        /block batch size: .*the topic exists .*: set max\.message\.bytes=850 on it/,
        { made },
      );
      const roomy = new PlannedTarget({ defaults: { 'max.message.bytes': '850' } });
      assert.equal(isBlocked((await check(roomy, { made })).checks), false);
      const rolling = new PlannedTarget({ defaults: { 'max.message.bytes': '850', 'segment.bytes': '849' } });
      await assertFinding(
        rolling,
        /block batch size: .* of 850 bytes, a takes 849 \(segment\.bytes\); restore\.topic_configs: \{a: \{segment\.bytes: "850"\}\} makes room for it$/,
        { made },
      );
    });

    test('only warns where the record may not be wanted, or may become smaller', async () => {
      assert.deepEqual(await levelOf({}), ['block']);
      assert.deepEqual(await levelOf({}, { isTransactional: true }), ['warn']);
      assert.deepEqual(await levelOf({}, {}, { compression: 'none' }), ['block']);
      assert.deepEqual(await levelOf({}, {}, { compression: 'zstd' }), ['warn']);
      assert.deepEqual(await levelOf({ filter: { keyRegex: 'x', header: null } }), ['warn']);
      assert.deepEqual(await levelOf({ offsets: [{ topic: 'a', partition: 0, fromOffset: null, toOffset: 10n }] }), [
        'block',
      ]);
      assert.deepEqual(await levelOf({ offsets: [{ topic: 'a', partition: 0, fromOffset: null, toOffset: 9n }] }), [
        'warn',
      ]);
      const until = (cut: 'timestamp' | 'log', toMs: number) => levelOf({ recoveryTarget: { cut, toMs } });
      assert.deepEqual([await until('timestamp', T0 + 9), await until('log', T0 + 9)], [['block'], ['warn']]);
      assert.deepEqual(await until('timestamp', T0 + 8), ['warn']);
      assert.deepEqual(await levelOf({ recoveryTarget: { cut: 'timestamp', fromMs: T0 + 1 } }), ['warn']);
      assert.deepEqual(await levelOf({ recoveryTarget: { cut: 'timestamp', fromMs: T0 } }, { minTimestampMs: null }), [
        'warn',
      ]);
    });
  });

  test('blocks on objects that are missing or short, and names them', async () => {
    const { key } = made.topics[0]!.lanes[0]!.sources[0]!.segments[0]!.segment;
    const missing = await storeOf(made, key);
    await assertFinding(new PlannedTarget(), /block objects: 1 of 2 .*data\/a\/.* is missing/, {
      made,
      store: missing,
    });
    const open = { isTransactional: true, decidedOffset: 5n };
    const segments = [
      stored(A0, 0n, 10n, open),
      stored(A0, 10n, 20n, { ...open, decidedOffset: 15n }),
      stored(A0, 20n, 30n),
    ];
    const deciding = plan(stateOf(seen('a', 1, { replicationFactor: 1 }), ...segments), {
      offsets: [{ topic: 'a', partition: 0, fromOffset: null, toOffset: 10n }],
    });
    await assertFinding(new PlannedTarget(), /block objects: 1 of 2 .*data\/a\/.*\/0{18}10-\S+ is missing/, {
      made: deciding,
    });
    await missing.putIfAbsent(key, [Buffer.alloc(3)]);
    await assertFinding(new PlannedTarget(), /block objects: 1 of 2 .* has 3 bytes instead of 500/, {
      made,
      store: missing,
    });
  });
});
