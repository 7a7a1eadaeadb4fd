import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import type { RestoreRequest } from '../../../../src/restore/restore-job.ts';
import { type RestorePlan, sourcesOf } from '../../../../src/restore/restore-plan.ts';
import {
  gap,
  NOW_MS,
  outline,
  partition,
  plan,
  seen,
  start,
  stateOf,
  stored,
  T0,
  timed,
  truncation,
} from './plan-fixture.ts';

const A0 = partition('a', 0);
const A1 = partition('a', 1);
const B0 = partition('b', 0, 'B');

describe('the segments of a plan', () => {
  const state = stateOf(
    seen('a', 1),
    timed(A0, [0n, 10n], [0, 100]),
    timed(A0, [10n, 20n], [50, 200]),
    timed(A0, [20n, 30n], [null, 300]),
    timed(A0, [30n, 40n], [301, 400]),
    timed(A0, [40n, 50n], [150, 500]),
  );
  const segmentsFor = (recoveryTarget: { fromMs?: number; toMs?: number; cut?: 'timestamp' | 'log' }): string =>
    outline(plan(state, { recoveryTarget: { cut: 'timestamp', ...recoveryTarget } })).join();

  test('are those whose timestamps touch the window, whatever their order', () => {
    assert.equal(segmentsFor({}), 'a/0[0-10,10-20,20-30,30-40,40-50] -> a/0');
    assert.equal(segmentsFor({ fromMs: T0 + 201, toMs: T0 + 300 }), 'a/0[20-30,40-50] -> a/0');
    assert.equal(segmentsFor({ toMs: T0 + 300 }), 'a/0[0-10,10-20,20-30,40-50] -> a/0');
    assert.equal(segmentsFor({ toMs: T0 + 301 }), 'a/0[0-10,10-20,20-30,30-40,40-50] -> a/0');
    assert.equal(segmentsFor({ fromMs: T0 + 401 }), 'a/0[40-50] -> a/0');
    assert.equal(segmentsFor({ fromMs: T0 + 501 }), 'a/0[] -> a/0');
    // What has no lowest timestamp may hold one from before the window.
    assert.equal(segmentsFor({ toMs: T0 - 1 }), 'a/0[20-30] -> a/0');
  });

  test('end with cut: log where every record is past the target', () => {
    assert.equal(segmentsFor({ toMs: T0 + 300, cut: 'log' }), 'a/0[0-10,10-20,20-30] -> a/0');
    assert.equal(segmentsFor({ fromMs: T0 + 201, toMs: T0 + 300, cut: 'log' }), 'a/0[20-30] -> a/0');
  });

  test('are clipped to the offsets asked for, from inclusive and to exclusive', () => {
    const offsets = (fromOffset: bigint | null, toOffset: bigint | null): string =>
      outline(plan(state, { offsets: [{ topic: 'a', partition: 0, fromOffset, toOffset }] })).join();
    assert.equal(offsets(15n, 31n), 'a/0[15-20,20-30,30-31] -> a/0');
    assert.equal(offsets(null, 10n), 'a/0[0-10] -> a/0');
    assert.equal(offsets(49n, null), 'a/0[49-50] -> a/0');
    assert.equal(offsets(20n, 20n), 'a/0[] -> a/0');
    const both = { offsets: [{ topic: 'a', partition: 0, fromOffset: 5n, toOffset: 35n }] };
    const window = { cut: 'timestamp', fromMs: T0 + 201, toMs: T0 + 299 } as const;
    assert.equal(outline(plan(state, { ...both, recoveryTarget: window })).join(), 'a/0[20-30] -> a/0');
  });

  test('follow the recovery target of their own topic', () => {
    const two = stateOf(
      seen('a', 1),
      seen('b', 1, { letter: 'B' }),
      ...[A0, B0].flatMap((one) => [timed(one, [0n, 10n], [0, 100]), timed(one, [10n, 20n], [101, 200])]),
    );
    const planned = plan(two, {
      recoveryTarget: { cut: 'timestamp', toMs: T0 + 100 },
      topicTargets: { b: { cut: 'timestamp', fromMs: T0 + 150 } },
    });
    assert.deepEqual(outline(planned), ['a/0[0-10] -> a/0', 'b/0[10-20] -> b/0']);
    const targets = planned.topics.map((topic) => sourcesOf(topic)[0]!.recoveryTarget);
    assert.deepEqual(targets, [
      { cut: 'timestamp', toMs: T0 + 100 },
      { cut: 'timestamp', fromMs: T0 + 150 },
    ]);
  });

  test('do not trust a last stable offset of a segment that was cut by a truncation', () => {
    const cut = stateOf(
      seen('a', 1),
      stored(A0, 0n, 10n, { decidedOffset: 8n, isTransactional: true }),
      stored(A0, 10n, 100n, { decidedOffset: 100n, isTransactional: true }),
      truncation(A0, 50n, 1),
      stored(A0, 50n, 60n, { timeline: 1, decidedOffset: 12n, isTransactional: true }),
    );
    const [source] = sourcesOf(plan(cut).topics[0]!);
    assert.equal(source!.decidedBelow, 12n);
    assert.deepEqual(
      source!.transactionalSegments.map(({ fromOffset, toOffset }) => [fromOffset, toOffset]),
      [
        [0n, 10n],
        [10n, 50n],
        [50n, 60n],
      ],
    );
  });
});

describe('the missing offsets of a plan', () => {
  const state = stateOf(
    seen('a', 1),
    gap(A0, 0n, 9n),
    timed(A0, [10n, 20n], [0, 100]),
    gap(A0, 20n, 29n),
    timed(A0, [30n, 40n], [200, 300]),
    gap(A0, 40n, 49n),
  );
  const missing = (request: Partial<RestoreRequest>): string =>
    sourcesOf(plan(state, request).topics[0]!)
      .flatMap((source) => source.missing)
      .map(({ baseOffset, lastOffset }) => `${baseOffset}..${lastOffset}`)
      .join(' ');
  const window = (fromMs: number, toMs: number): Partial<RestoreRequest> => ({
    recoveryTarget: { cut: 'timestamp', fromMs: T0 + fromMs, toMs: T0 + toMs },
  });

  test('are all gaps that no neighbour proves to be outside the window', () => {
    assert.equal(missing({}), '0..9 20..29 40..49');
    assert.equal(missing(window(0, 100)), '0..9 20..29');
    assert.equal(missing(window(120, 180)), '20..29');
    assert.equal(missing(window(201, 300)), '20..29 40..49');
  });

  test('are those within the offsets asked for, and only that part of them', () => {
    const offsets = [{ topic: 'a', partition: 0, fromOffset: 5n, toOffset: 25n }];
    assert.equal(missing({ offsets }), '5..9 20..24');
  });

  test('are of the newest timeline', () => {
    const cut = stateOf(
      seen('a', 1),
      stored(A0, 0n, 10n),
      gap(A0, 10n, 29n),
      gap(A0, 30n, 39n),
      truncation(A0, 20n, 1),
      stored(A0, 20n, 60n, { timeline: 1 }),
    );
    const [source] = sourcesOf(plan(cut).topics[0]!);
    assert.deepEqual(source!.missing, [{ baseOffset: 10n, lastOffset: 19n, reason: 'retention' }]);
  });
});

describe('the partitions of a plan', () => {
  const state = stateOf(seen('a', 4), stored(A0, 0n, 10n), stored(A1, 0n, 10n), stored(partition('a', 2), 0n, 10n));

  test('are all that the topic had, empty ones too', () => {
    assert.deepEqual(outline(plan(state)), [
      'a/0[0-10] -> a/0',
      'a/1[0-10] -> a/1',
      'a/2[0-10] -> a/2',
      'a/3[] -> a/3',
    ]);
    assert.equal(plan(state).topics[0]!.targetPartitions, 4);
  });

  test('are those selected, under the numbers that the mapping gives', () => {
    const planned = plan(state, { partitions: [1, 2], partitionMapping: { 1: 2, 2: 9 } });
    assert.deepEqual(outline(planned), ['a/1[0-10] -> a/2', 'a/2[0-10] -> a/9']);
    assert.equal(planned.topics[0]!.targetPartitions, 10);
    const swapped = plan(state, { partitionMapping: { 0: 1, 1: 0 } });
    assert.deepEqual(outline(swapped).slice(0, 2), ['a/0[0-10] -> a/1', 'a/1[0-10] -> a/0']);
  });

  test('are joined by key in one lane, in order of partition', () => {
    const repartitioning = { copy: { partitions: 2, partitioning: 'by-key' } } as const;
    const planned = plan(state, { repartitioning, topicMapping: { a: 'copy' } });
    assert.deepEqual(outline(planned), ['a/0[0-10]+a/1[0-10]+a/2[0-10]+a/3[] -> copy/0,1']);
    assert.equal(planned.topics[0]!.targetPartitions, 2);
    assert.equal(planned.topics[0]!.lanes[0]!.partitioning, 'by-key');
  });

  test('may become more while records keep theirs', () => {
    const planned = plan(state, { repartitioning: { a: { partitions: 12, partitioning: 'preserve' } } });
    assert.equal(planned.topics[0]!.targetPartitions, 12);
    assert.equal(planned.topics[0]!.lanes.length, 4);
  });

  test('that came after the target are there only where they hold wanted records', () => {
    const grown = stateOf(
      seen('a', 1),
      seen('a', 3, { observedAtMs: T0 + 500 }),
      timed(A0, [0n, 10n], [0, 100]),
      timed(A1, [0n, 10n], [50, 900]),
      timed(partition('a', 2), [0n, 10n], [600, 900]),
    );
    const planned = plan(grown, { recoveryTarget: { cut: 'timestamp', toMs: T0 + 400 } });
    assert.deepEqual(outline(planned), ['a/0[0-10] -> a/0', 'a/1[0-10] -> a/1']);
    assert.equal(planned.topics[0]!.targetPartitions, 2);
    assert.deepEqual(outline(plan(grown, { recoveryTarget: planned.recoveryTarget, partitions: [1] })).length, 1);
    const offsets = [{ topic: 'a', partition: 2, fromOffset: 1n, toOffset: null }];
    for (const named of [{ partitions: [0, 2] }, { offsets }]) {
      assert.throws(() => plan(grown, { recoveryTarget: planned.recoveryTarget, ...named }), {
        code: 'NOTHING_TO_RESTORE',
        message: /a had no partition 2 at the recovery target, 2023-\S+: seen 2023-\S+ it had 1, from 0 on/,
      });
      assert.equal(outline(plan(grown, named)).length, 'offsets' in named ? 3 : 2);
    }
  });
});

describe('the names of a plan', () => {
  const state = stateOf(...['a', 'prod.x', 'prod.y-v12', 'x'].map((topic) => seen(topic, 1)));
  const targets = (request: Partial<RestoreRequest>): string[] =>
    plan(state, request).topics.map(({ topic, targetTopic }) => `${topic}>${targetTopic}`);

  test('come from the exact mapping, then from the first rule that fits, else stay', () => {
    assert.deepEqual(
      targets({
        topicMapping: { a: 'b' },
        mappingRules: [
          { kind: 'regex', pattern: 'prod\\.(.*)-v(\\d+)', name: 'r.$1.$2' },
          { kind: 'prefix', from: 'prod.', to: 'test-' },
          { kind: 'prefix', from: '', to: 'all-' },
        ],
      }),
      ['a>b', 'prod.x>test-x', 'prod.y-v12>r.y.12', 'x>all-x'],
    );
  });

  test('are given by a regular expression only when it matches the whole name', () => {
    const rule = (pattern: string, name: string): string[] =>
      targets({ mappingRules: [{ kind: 'regex', pattern, name }] });
    assert.deepEqual(rule('prod', 'p'), ['a>a', 'prod.x>prod.x', 'prod.y-v12>prod.y-v12', 'x>x']);
    assert.deepEqual(rule('a|x', 'one-$&'), ['a>one-a', 'prod.x>prod.x', 'prod.y-v12>prod.y-v12', 'x>one-x']);
    assert.deepEqual(rule('prod\\.(?<rest>y.*)', '$<rest>').slice(1, 3), ['prod.x>prod.x', 'prod.y-v12>y-v12']);
  });
});

describe('the life of a topic that is restored', () => {
  const A0_AGAIN = partition('a', 0, 'C');
  const state = stateOf(
    seen('a', 2, { observedAtMs: T0, configs: { 'retention.ms': '1' } }),
    timed(A0, [0n, 10n], [0, 100]),
    seen('a', 3, { observedAtMs: T0 + 200, configs: { 'retention.ms': '2', 'cleanup.policy': 'compact' } }),
    seen('a', 1, { observedAtMs: T0 + 500, letter: 'C' }),
    timed(A0_AGAIN, [0n, 5n], [600, 700]),
  );
  const at = (toMs?: number) =>
    plan(state, { recoveryTarget: { cut: 'timestamp', ...(toMs === undefined ? {} : { toMs: T0 + toMs }) } })
      .topics[0]!;

  test('is the one that was under way at the target, with its partitions and configuration of then', () => {
    assert.deepEqual([at(100).targetPartitions, at(100).configs], [2, { 'retention.ms': '1' }]);
    assert.deepEqual(
      [at(300).targetPartitions, at(300).configs],
      [3, { 'retention.ms': '2', 'cleanup.policy': 'compact' }],
    );
    assert.deepEqual([at().targetPartitions, at().topicId], [1, A0_AGAIN.topicId]);
    assert.equal(at(-100).topicId, A0.topicId);
  });

  test('has the configuration that was read last up to the target, where it was not read each time', () => {
    const configs = { 'cleanup.policy': 'compact' };
    const unread = stateOf(
      seen('a', 1, { observedAtMs: T0, configs: null }),
      seen('a', 1, { observedAtMs: T0 + 100, configs }),
      seen('a', 2, { observedAtMs: T0 + 200, configs: null }),
      timed(A0, [0n, 10n], [0, 100]),
    );
    const read = (toMs: number) =>
      plan(unread, { recoveryTarget: { cut: 'timestamp', toMs: T0 + toMs } }).topics[0]!.observation;
    assert.deepEqual([read(50).configs, read(150).configs, read(250).configs], [null, configs, configs]);
    assert.equal(read(250).partitions, 2);
  });

  test('is told of others that hold records of a window', () => {
    const inWindow = (fromMs: number | undefined, toMs: number) => {
      const window = {
        cut: 'timestamp',
        toMs: T0 + toMs,
        ...(fromMs === undefined ? {} : { fromMs: T0 + fromMs }),
      } as const;
      return plan(state, { recoveryTarget: window }).topics[0]!.otherLives;
    };
    const { topicId } = A0;
    assert.deepEqual(inWindow(50, 650), [{ topicId, fromMs: T0, toMs: T0 + 100 }]);
    assert.deepEqual(inWindow(101, 650), []);
    assert.deepEqual(inWindow(undefined, 650), []);
  });

  test('is created with the overrides, those of its own name last', () => {
    const topicConfigs = {
      '*': { 'retention.ms': '-1', 'segment.bytes': '100000' },
      copy: { 'retention.ms': '5', 'cleanup.policy': null },
    };
    const recoveryTarget = { cut: 'timestamp', toMs: T0 + 300 } as const;
    const planned = plan(state, { recoveryTarget, topicMapping: { a: 'copy' } }, { topicConfigs });
    assert.deepEqual(planned.topics[0]!.configs, { 'retention.ms': '5', 'segment.bytes': '100000' });
  });
});

describe('a partition that has begun and of which nothing is stored', () => {
  const state = stateOf(seen('a', 2), start(A0, 500n), stored(A1, 0n, 10n));
  const planned = (fromOffset: bigint | null, toOffset: bigint | null): RestorePlan =>
    plan(state, { offsets: [{ topic: 'a', partition: 0, fromOffset, toOffset }] });

  test('has no records from before it began', () => {
    assert.equal(outline(planned(500n, null)).join(), 'a/0[] -> a/0,a/1[0-10] -> a/1');
    for (const [from, to] of [
      [0n, null],
      [null, 10n],
      [501n, null],
    ] as const) {
      assert.throws(() => planned(from, to), { code: 'NOTHING_TO_RESTORE', message: /the backup holds no records/ });
    }
  });

  test('is one of which nothing is known', () => {
    const known = plan(state).topics.flatMap((topic) => sourcesOf(topic).map(({ isKnown }) => isKnown));
    assert.deepEqual(known, [false, true]);
  });
});

describe('a request that cannot be meant', () => {
  const state = stateOf(
    seen('a', 2),
    seen('b', 1, { letter: 'B' }),
    gap(A0, 5n, 9n),
    stored(A0, 10n, 20n),
    stored(A1, 0n, 10n),
    stored(B0, 0n, 10n),
  );
  const byKey = { partitions: 3, partitioning: 'by-key' } as const;
  const limits = (topic: string, number: number, fromOffset: bigint | null, toOffset: bigint | null) => ({
    offsets: [{ topic, partition: number, fromOffset, toOffset }],
  });
  const cases: readonly (readonly [string, Partial<RestoreRequest>, string, RegExp])[] = [
    ['a topic that is not there', { includeTopics: ['a', 'nix', 'nada'] }, 'NOTHING_TO_RESTORE', /no topic nix, nada/],
    ['a pattern without a topic', { includeTopics: ['x*'] }, 'NOTHING_TO_RESTORE', /no topic that was asked for/],
    [
      'a partition that is not there',
      { partitions: [0, 2] },
      'NOTHING_TO_RESTORE',
      /topic a .* no partition 2; it has 2/,
    ],
    ['offsets of no partition', limits('a', 7, null, 3n), 'NOTHING_TO_RESTORE', /no partition 7/],
    ['offsets past the backup', limits('a', 0, null, 21n), 'NOTHING_TO_RESTORE', /a\/0: asked for \.\.21, .* 5\.\.20/],
    ['offsets before the backup', limits('a', 0, 4n, null), 'NOTHING_TO_RESTORE', /asked for 4\.\., .* 5\.\.20/],
    ['offsets the wrong way round', limits('a', 0, 12n, 11n), 'USAGE_INVALID', /12\.\.11 ends before it starts/],
    [
      'offsets of a topic left out',
      { ...limits('b', 0, 1n, null), includeTopics: ['a'] },
      'USAGE_INVALID',
      /offsets names "b"/,
    ],
    [
      'offsets of a partition left out',
      { ...limits('a', 0, 11n, null), includeTopics: ['a'], partitions: [1] },
      'USAGE_INVALID',
      /a\/0, which source_partitions leaves out/,
    ],
    [
      'a target of a topic that is not restored',
      { topicTargets: { c: { cut: 'log' } } },
      'USAGE_INVALID',
      /topic_targets names "c", .*: a, b\)/,
    ],
    [
      'a window the wrong way round',
      { recoveryTarget: { cut: 'log', fromMs: 2, toMs: 1 } },
      'USAGE_INVALID',
      /ends before/,
    ],
    ['a target before all timestamps', { recoveryTarget: { cut: 'log', toMs: -1 } }, 'USAGE_INVALID', /before 1970/],
    ['a target in the future', { recoveryTarget: { cut: 'log', toMs: NOW_MS + 1 } }, 'USAGE_INVALID', /in the future/],
    [
      'a window from the future',
      { recoveryTarget: { cut: 'log', fromMs: NOW_MS + 1 } },
      'USAGE_INVALID',
      /in the future/,
    ],
    [
      'a window of one topic the wrong way round',
      { topicTargets: { b: { cut: 'log', fromMs: 2, toMs: 1 } } },
      'USAGE_INVALID',
      /recovery target of b/,
    ],
    ['two topics with one name', { topicMapping: { a: 'b' } }, 'USAGE_INVALID', /sends a and b to one topic b/],
    [
      'two topics that a rule gives one name',
      { mappingRules: [{ kind: 'regex', pattern: '.*', name: 'all' }] },
      'USAGE_INVALID',
      /sends a and b to one topic all/,
    ],
    ['two partitions on one', { partitionMapping: { 1: 0 } }, 'USAGE_INVALID', /sends partitions 0 and 1 to a\/0/],
    [
      'fewer partitions than records need',
      { repartitioning: { a: { partitions: 1, partitioning: 'preserve' } } },
      'USAGE_INVALID',
      /gives a 1 partition\(s\) and its records need 2/,
    ],
    [
      'repartitioning of an unknown topic',
      { repartitioning: { c: byKey } },
      'USAGE_INVALID',
      /repartitioning names "c"/,
    ],
    [
      'a mapping beside repartitioning',
      { repartitioning: { a: byKey }, partitionMapping: { 0: 1 } },
      'USAGE_INVALID',
      /partition_mapping cannot choose/,
    ],
  ];
  for (const [what, request, code, message] of cases) {
    test(`is refused: ${what}`, () => {
      assert.throws(() => plan(state, request), { code, message });
    });
  }
});
