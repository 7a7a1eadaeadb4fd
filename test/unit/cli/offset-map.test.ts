import assert from 'node:assert/strict';
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, before, describe, test } from 'node:test';
import { ObjectLayout } from '../../../src/catalog/object-layout.ts';
import { RestoreJournal } from '../../../src/restore/journal/restore-journal.ts';
import type { RestoreReport, SourceReport, TargetReport } from '../../../src/restore/journal/restore-report.ts';
import { FilesystemObjectStore } from '../../../src/storage/filesystem/filesystem-object-store.ts';
import { NO_DROPS } from '../../../src/model/restore/recovery-target.ts';
import { INTENT } from '../restore/journal/journal-fixture.ts';
import { jsonOf, runCommand } from './command-line.ts';

function source(topic: string, partition: number): SourceReport {
  return {
    topic,
    partition,
    targetTopic: `${topic}-copy`,
    recordsPlanned: 100,
    recordsRestored: 100,
    dropped: NO_DROPS,
    gaps: [],
  };
}

function target(topic: string, partition: number, change: Partial<TargetReport>): TargetReport {
  const runs = [{ sourcePartition: partition, firstSourceOffset: 10n, count: 100 }];
  const whole = { startOffset: 0n, recordCount: 100, sourceTopic: topic, runCount: 1, runs, pieceCount: 0 };
  return { topic: `${topic}-copy`, partition, ...whole, ...change };
}

const HOLED = [
  { sourcePartition: 1, firstSourceOffset: 2n ** 60n, count: 40 },
  { sourcePartition: 1, firstSourceOffset: 2n ** 60n + 50n, count: 60 },
];

const REPORT: RestoreReport = {
  id: 'rst_1',
  backupId: 'shop',
  planId: '0123456789ab',
  catalogVersion: 4,
  clusterId: 'c',
  createdAtMs: 1000,
  finishedAtMs: 1_700_000_000_000,
  isResumed: false,
  lastAttempt: {
    durationMs: 1,
    recordsSent: 300,
    bytesSent: 1,
    bytesRead: 1,
    recordsPerSecond: 1,
    bytesPerSecond: 1,
  },
  allAttempts: {
    attempts: 3,
    durationMs: 40,
    recordsRestored: 10,
    bytesSent: 6,
    bytesRead: 7,
    recordsPerSecond: 250,
    bytesPerSecond: 150,
  },
  sources: [source('orders', 0), source('orders', 1), source('users', 0)],
  targets: [
    target('orders', 0, {}),
    target('orders', 1, { startOffset: 7n, runCount: 2, runs: HOLED }),
    target('users', 0, { runs: null, pieceCount: 1 }),
  ],
};

describe('kafka-backup offset-map', () => {
  let directory: string;
  let where: readonly string[];

  before(async () => {
    directory = await mkdtemp(join(tmpdir(), 'offset-map-'));
    where = ['--path', directory, '--backup-id', 'shop'];
    const store = new FilesystemObjectStore(directory);
    const layout = new ObjectLayout('shop');
    const journal = new RestoreJournal(store, layout, 'rst_1');
    const runs = [{ sourcePartition: 0, firstSourceOffset: 10n, count: 100 }];
    await journal.putOffsets({ topic: 'users-copy', partition: 0 }, 0, { runs, firstTargetOffset: 0n });
    await journal.putReport(REPORT);
  });

  after(() => rm(directory, { recursive: true, force: true }));

  test('lists every run as text', async () => {
    const { exitCode, stdout } = await runCommand(['offset-map', 'rst_1', ...where]);
    assert.equal(exitCode, 0);
    assert.deepEqual(stdout.split('\n').slice(1, -1), [
      'orders/0 10..109 -> orders-copy/0 0..99 (100)',
      `orders/1 ${2n ** 60n}..${2n ** 60n + 39n} -> orders-copy/1 7..46 (40)`,
      `orders/1 ${2n ** 60n + 50n}..${2n ** 60n + 109n} -> orders-copy/1 47..106 (60)`,
      'users/0 10..109 -> users-copy/0 0..99 (100)',
    ]);
  });

  test('exports a topic as CSV, whichever of its names is given', async () => {
    for (const topic of ['orders', 'orders-copy']) {
      const { stdout } = await runCommand(['offset-map', 'rst_1', ...where, '--format', 'csv', '--topic', topic]);
      assert.deepEqual(stdout.trim().split('\n'), [
        'source_topic,source_partition,source_offset,target_topic,target_partition,target_offset,count',
        'orders,0,10,orders-copy,0,0,100',
        `orders,1,${2n ** 60n},orders-copy,1,7,40`,
        `orders,1,${2n ** 60n + 50n},orders-copy,1,47,60`,
      ]);
    }
  });

  test('exports one JSON document with offsets as strings', async () => {
    const json = jsonOf(await runCommand(['offset-map', 'rst_1', ...where, '--json', '--topic', 'users']));
    assert.equal(json.restore, 'rst_1');
    assert.equal(json.finished_at, '2023-11-14T22:13:20.000Z');
    assert.deepEqual(json.runs, [
      {
        source_topic: 'users',
        source_partition: 0,
        source_offset: '10',
        target_topic: 'users-copy',
        target_partition: 0,
        target_offset: '0',
        count: 100,
      },
    ]);
  });

  test('has none of a restore that was given up, and does not say that it could be carried on', async () => {
    const journal = new RestoreJournal(new FilesystemObjectStore(directory), new ObjectLayout('shop'), 'rst_given_up');
    await journal.putIntent({ ...INTENT, id: 'rst_given_up' });
    const unfinished = await runCommand(['offset-map', 'rst_given_up', ...where]);
    assert.match(unfinished.stderr, /restore --resume rst_given_up/);
    await journal.putAbandoned(1000);
    const { exitCode, stderr } = await runCommand(['offset-map', 'rst_given_up', ...where]);
    assert.equal(exitCode, 2);
    assert.match(stderr, /restore rst_given_up was given up before its end and has no map: list --restores/);
  });

  test('looks an offset up, and tells one that was not restored from one that was', async () => {
    const asked = ['offset-map', 'rst_1', ...where, '--topic', 'orders', '--partition', '1', '--source-offset'];
    const found = await runCommand([...asked, String(2n ** 60n + 55n)]);
    assert.equal(found.exitCode, 0);
    assert.equal(found.stdout.trim(), `orders/1 offset ${2n ** 60n + 55n} -> orders-copy/1 offset 52`);
    const dropped = await runCommand([...asked, String(2n ** 60n + 45n)]);
    assert.equal(dropped.exitCode, 10);
    assert.match(dropped.stdout, /was not restored; the next that was is \d+ -> orders-copy\/1 offset 47/);
    const json = jsonOf(await runCommand([...asked, String(2n ** 60n + 45n), '--json']));
    assert.deepEqual([json.target, json.next.offset, json.next.source_offset], [null, '47', String(2n ** 60n + 50n)]);
    const past = await runCommand([...asked, String(2n ** 61n)]);
    assert.match(past.stdout, /nor was any after it/);
  });

  test('refuses what it cannot answer', async () => {
    const outcome = async (...args: readonly string[]) => {
      const { exitCode, stderr } = await runCommand(['offset-map', ...args, ...where]);
      return `${exitCode} ${stderr}`;
    };
    assert.match(await outcome('rst_2'), /^10 .*knows no restore rst_2/);
    assert.match(await outcome('../x'), /^10 /);
    assert.match(await outcome('rst_1', '--topic', 'other'), /^10 .*nothing of other/);
    assert.match(await outcome('rst_1', '--source-offset', '5'), /^2 .*--topic TOPIC --partition NUMBER/);
    assert.match(await outcome('rst_1', '--source-offset', 'x'), /^2 /);
    assert.match(await outcome('rst_1', '--format', 'xml'), /^2 .*text, json, csv/);
  });
});
