import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import {
  type ConfiguredRestore,
  describeTargets,
  requestOf,
  saysWhat,
  type TargetFlags,
} from '../../../src/cli/input/restore-flags.ts';
import { RESTORE_ALL } from '../../../src/restore/restore-job.ts';

const NOW_MS = Date.parse('2026-11-20T12:00:00Z');
const CONFIGURED: ConfiguredRestore = {
  request: {
    ...RESTORE_ALL,
    target: 'default',
    recoveryTarget: { fromMs: 1000, toMs: 2000, cut: 'timestamp' },
    offsets: [
      { topic: 'a', partition: 0, fromOffset: 1n, toOffset: 2n },
      { topic: 'a', partition: 1, fromOffset: null, toOffset: 9n },
    ],
    catalogVersion: 4,
  },
  topicTargets: new Map([
    ['orders', { toMs: null, cut: 'log' }],
    ['payments', { fromMs: 1500 }],
  ]),
  timeZone: 'Europe/Berlin',
};

const made = (flags: TargetFlags) => requestOf(CONFIGURED, flags, NOW_MS);

describe('the flags of a restore', () => {
  test('leave the configuration as it is where they are not given', () => {
    const request = made({});
    assert.deepEqual(request, {
      ...CONFIGURED.request,
      topicTargets: {
        orders: { fromMs: 1000, cut: 'log' },
        payments: { fromMs: 1500, toMs: 2000, cut: 'timestamp' },
      },
    });
  });

  test('set the ends of the window, which topics with a target of their own follow where theirs says nothing', () => {
    const { recoveryTarget, topicTargets } = made({ from: ['1200'], to: ['2026-11-20 03:00'], cut: 'log' });
    const toMs = Date.parse('2026-11-20T02:00:00Z');
    assert.deepEqual(recoveryTarget, { fromMs: 1200, toMs, cut: 'log' });
    assert.deepEqual(topicTargets, {
      orders: { fromMs: 1200, cut: 'log' },
      payments: { fromMs: 1500, toMs, cut: 'log' },
    });
  });

  test('set the ends of single topics', () => {
    const { recoveryTarget, topicTargets } = made({
      to: ['latest', 'orders=-2h', 'new.topic=5000'],
      from: ['orders=7'],
    });
    assert.deepEqual(recoveryTarget, { fromMs: 1000, cut: 'timestamp' });
    assert.deepEqual(topicTargets, {
      orders: { fromMs: 7, toMs: NOW_MS - 7_200_000, cut: 'log' },
      payments: { fromMs: 1500, cut: 'timestamp' },
      'new.topic': { fromMs: 1000, toMs: 5000, cut: 'timestamp' },
    });
  });

  test('read local times in the zone of --tz before that of the configuration', () => {
    const toMs = (flags: TargetFlags): number | undefined => made(flags).recoveryTarget.toMs;
    assert.equal(toMs({ to: ['2026-11-20 03:00'], tz: 'Asia/Tokyo' }), Date.parse('2026-11-19T18:00:00Z'));
    assert.equal(toMs({ to: ['2026-11-20 03:00'] }), Date.parse('2026-11-20T02:00:00Z'));
  });

  test('put offsets in the place of those that the configuration gives for the same partition', () => {
    const { offsets } = made({ offsets: ['a/0=1234', 'b/2=100..1234', 'b/3=100..', 'b/4=..7'] });
    assert.deepEqual(offsets, [
      { topic: 'a', partition: 0, fromOffset: null, toOffset: 1234n },
      { topic: 'a', partition: 1, fromOffset: null, toOffset: 9n },
      { topic: 'b', partition: 2, fromOffset: 100n, toOffset: 1234n },
      { topic: 'b', partition: 3, fromOffset: 100n, toOffset: null },
      { topic: 'b', partition: 4, fromOffset: null, toOffset: 7n },
    ]);
  });

  test('choose the catalog version and the dry run', () => {
    assert.equal(made({ catalogVersion: '17' }).catalogVersion, 17);
    assert.equal(made({ dryRun: true }).dryRun, true);
  });

  const faults: readonly (readonly [TargetFlags, RegExp])[] = [
    [{ to: ['noon'] }, /--to: "noon" is not an instant/],
    [{ from: ['latest'] }, /--from: "latest" is not an instant/],
    [{ to: ['1', '2'] }, /--to is given twice/],
    [{ to: ['a=1', 'a=2'] }, /--to is given twice for a/],
    [{ to: ['a b=1'] }, /no topic has that name/],
    [{ to: ['=1'] }, /no topic has that name/],
    [{ tz: 'Mars/Olympus' }, /--tz "Mars\/Olympus" is not a time zone/],
    [{ to: ['2026-03-29 02:30'] }, /--to: .* does not exist in Europe\/Berlin/],
    [{ cut: 'both' }, /--cut "both" is not known/],
    [{ catalogVersion: '0' }, /--catalog-version "0"/],
    [{ offsets: ['a/0'] }, /--offsets "a\/0" is not understood/],
    [{ offsets: ['a/0='] }, /not understood/],
    [{ offsets: ['a/0=..'] }, /not understood/],
    [{ offsets: ['a/0=1-2'] }, /not understood/],
    [{ offsets: ['a/0=-1'] }, /not understood/],
    [{ offsets: ['a/0=9223372036854775808'] }, /is not an offset/],
    [{ offsets: ['a=1'] }, /is not a partition/],
    [{ offsets: ['a/0=1', 'a/0=2'] }, /given twice for a\/0/],
  ];
  for (const [flags, message] of faults) {
    test(`refuse ${JSON.stringify(flags)}`, () => {
      assert.throws(() => made(flags), { code: 'USAGE_INVALID', message });
    });
  }

  test('that say what to restore are known from those that do not', () => {
    assert.equal(saysWhat({ dryRun: true }), false);
    const flags: readonly TargetFlags[] = [
      { to: [] },
      { from: [] },
      { cut: '' },
      { tz: '' },
      { offsets: [] },
      { catalogVersion: '1' },
    ];
    for (const one of flags) assert.equal(saysWhat(one), true, JSON.stringify(one));
  });
});

test('a recovery target is told in UTC', () => {
  assert.deepEqual(describeTargets(made({ to: ['2026-11-20 03:00'], from: ['2026-11-19T00:00:00Z'] })), [
    'recovery target: 2026-11-19T00:00:00.000Z to 2026-11-20T02:00:00.000Z',
    'recovery target of orders: 2026-11-19T00:00:00.000Z to latest',
    'recovery target of payments: 1970-01-01T00:00:01.500Z to 2026-11-20T02:00:00.000Z',
    'recovery target of a-0: offsets 1..2 (end exclusive)',
    'recovery target of a-1: offsets ..9 (end exclusive)',
    'catalog version: 4',
  ]);
  assert.deepEqual(describeTargets({ ...RESTORE_ALL, target: 't' }), ['recovery target: latest']);
});
