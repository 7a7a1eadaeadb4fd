// list, describe, the static status, validate and config, over backups in a temporary directory.
import assert from 'node:assert/strict';
import { writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { after, before, describe, test } from 'node:test';
import type { WorkerPool } from '../../../src/compression/worker-pool.ts';
import { ObjectLayout } from '../../../src/catalog/object-layout.ts';
import { RestoreJournal } from '../../../src/restore/journal/restore-journal.ts';
import { FilesystemObjectStore } from '../../../src/storage/filesystem/filesystem-object-store.ts';
import { changeJson } from '../../support/sealed-json.ts';
import { jsonBatch, startWorkers, T0, TestBackup, TOPIC_ID } from '../../support/stored-backup.ts';
import { INTENT, REPORT } from '../restore/journal/journal-fixture.ts';
import { type AnyJson, jsonOf, removeDirectory, runCommand, temporaryDirectory } from './command-line.ts';

const SECOND_ID = 'AAAAAAAAAAAAAAAAAAAAAg';
const IDENTITY = { topic: 'orders', topicId: TOPIC_ID, partition: 0 };

let workers: WorkerPool;
let directory: string;
before(async () => {
  workers = startWorkers(1);
  directory = await temporaryDirectory();
  await fill(directory);
});
after(async () => {
  await workers.close();
  await removeDirectory(directory);
});

/** Two lives of `orders`, one of them with a gap and a truncation, and a quiet topic. */
async function fill(path: string): Promise<TestBackup> {
  const made = await TestBackup.create(new FilesystemObjectStore(path), workers);
  await made.observe(2, { configs: { 'cleanup.policy': 'compact' } });
  await made.add([jsonBatch(0n, 5)]);
  const gap = {
    ...IDENTITY,
    baseOffset: 5n,
    lastOffset: 9n,
    reason: 'retention' as const,
    detectedAtMs: T0,
    timeline: 0,
  };
  await made.commit({ kind: 'gap', gap });
  await made.add([jsonBatch(10n, 5)]);
  await made.commit({ kind: 'truncation', truncation: { ...IDENTITY, endOffset: 12n, timeline: 1, detectedAtMs: T0 } });
  await made.add([jsonBatch(12n, 4)], { timeline: 1 });
  await made.observe(3, { topicId: SECOND_ID });
  await made.add([jsonBatch(0n, 2)], { topicId: SECOND_ID, partition: 1, reachedLogEnd: false });
  await made.observe(1, { topic: 'audit', topicId: 'AAAAAAAAAAAAAAAAAAAAAw' });
  return made;
}

const address = (): string[] => ['--path', directory, '--backup-id', 'b'];

describe('a backup whose catalog is gone', () => {
  test('is shown with a warning by list and describe, and without its identity too as damaged', async () => {
    const path = await temporaryDirectory();
    const made = await fill(path);
    for await (const { key } of made.store.list(made.layout.catalogPrefix)) await made.store.delete(key);
    const warning = /there is data and not one commit\. .*the catalog was lost/;
    const listed = await runCommand(['list', '--path', path]);
    assert.equal(listed.exitCode, 0);
    assert.match(listed.stdout, warning);
    const json = await runCommand(['list', '--path', path, '--json']);
    assert.equal(jsonOf(json).backups[0].uncommitted_data, true);
    assert.match((await runCommand(['describe', '--path', path, '--backup-id', 'b'])).stdout, warning);
    await made.commit({ kind: 'note', text: 'a commit without an identity' });
    await made.store.delete(made.layout.identity);
    const damaged = await runCommand(['list', '--path', path]);
    assert.equal(damaged.exitCode, 13);
    assert.match(damaged.stdout, /CATALOG_CORRUPT: b\/backup\.json is missing, though there is a catalog/);
    await removeDirectory(path);
  });
});

describe('list', () => {
  test('says that a store holds nothing, and succeeds', async () => {
    const empty = await temporaryDirectory();
    const text = await runCommand(['list', '--path', empty]);
    assert.deepEqual([text.exitCode, text.stdout], [0, `There are no backups in ${empty}.\n`]);
    const json = await runCommand(['list', '--path', empty, '--json']);
    assert.deepEqual([json.exitCode, jsonOf(json)], [0, { store: empty, backups: [] }]);
    await removeDirectory(empty);
  });

  test('does not take a directory that does not exist for a store without backups', async () => {
    const { exitCode, stdout, stderr } = await runCommand(['list', '--path', '/no/such/store']);
    assert.deepEqual([exitCode, stdout], [10, '']);
    assert.match(stderr, /error: there is no directory \/no\/such\/store/);
  });

  test('lists the restores of a backup by their ids, newest first', async () => {
    const layout = new ObjectLayout('b');
    const store = new FilesystemObjectStore(directory);
    const none = await runCommand(['list', '--restores', ...address()]);
    assert.deepEqual([none.exitCode, none.stdout], [0, 'No restore of b has begun.\n']);
    for (const id of ['rst_1', 'rst_2', 'rst_3']) {
      const journal = new RestoreJournal(store, layout, id);
      await journal.putIntent({ ...INTENT, id });
      if (id === 'rst_1') await journal.putReport({ ...REPORT, id });
      if (id === 'rst_3') await journal.putWithdrawn('rst_2');
    }
    const { restores } = jsonOf(await runCommand(['list', '--restores', ...address(), '--json']));
    assert.deepEqual(
      restores.map(({ id, state, records }: AnyJson) => [id, state, records]),
      [
        ['rst_3', 'withdrawn', null],
        ['rst_2', 'unfinished', null],
        ['rst_1', 'completed', REPORT.allAttempts.recordsRestored],
      ],
    );
    assert.deepEqual(
      restores[2].target_topics,
      INTENT.topics.map(({ topic }) => topic),
    );
    const { stdout } = await runCommand(['list', '--restores', ...address()]);
    assert.match(stdout, /^RESTORE +STATE +BEGUN/);
    assert.match(stdout, /^rst_1 +completed +\S+ +\S+ +[\d,]+ /m);
    const report = layout.restoreObject('rst_1', 'report');
    await store.delete(report);
    await store.putIfAbsent(report, [Buffer.from('{')]);
    const others = await runCommand(['list', '--restores', ...address()]);
    assert.match(others.stderr, /warning: restore rst_1 is left out.* b\/restores\/rst_1\/report\.json is not JSON/);
    assert.match(others.stdout, /^rst_3 .*\n^rst_2 /m);
    const unknown = await runCommand(['list', '--restores', '--path', directory, '--backup-id', 'other']);
    assert.equal(unknown.exitCode, 10);
    const hinted = await runCommand(['offset-map', 'rst_9', ...address()]);
    assert.match(hinted.stderr, /kafka-backup list --restores/);
  });

  test('sums every backup up', async () => {
    const result = await runCommand(['list', '--path', directory, '--json']);
    const [listed, ...others] = jsonOf(result).backups;
    assert.deepEqual([result.exitCode, others], [0, []]);
    const { stored_bytes, raw_bytes, ...rest } = listed;
    assert.ok(stored_bytes > 0 && raw_bytes > 0);
    assert.deepEqual(rest, {
      id: 'b',
      cluster_id: 'cluster-1',
      created_at: new Date(T0).toISOString(),
      catalog_version: 9,
      last_commit_at: new Date(T0 + 60_000).toISOString(),
      topic_count: 2,
      segments: 4,
      records: 16,
      gaps: 1,
      gap_offsets: '5',
      restorable: { from: new Date(T0).toISOString(), to: new Date(T0 + 1).toISOString() },
      newest_capture_at: new Date(T0 + 50_000).toISOString(),
      requests: null,
    });
    const text = await runCommand(['list', '-p', directory]);
    assert.match(text.stdout, /^BACKUP .*RESTORABLE TO.*\nb +2023-11-14.* 1 gap\(s\), 5 offsets\n$/);
  });

  test('exits with 10 for a backup that is not there', async () => {
    const result = await runCommand(['list', '-p', directory, '-b', 'nope']);
    assert.equal(result.exitCode, 10);
    assert.match(result.stderr, /error: there is no backup nope in .*\nhint: /);
  });

  test('shows a damaged backup beside the others and exits with 13', async () => {
    const path = await temporaryDirectory();
    const damaged = await fill(path);
    await damaged.change(damaged.layout.commit(3), () => undefined);
    await writeFile(join(path, 'notes.txt'), 'not a backup');
    const text = await runCommand(['list', '-p', path]);
    assert.equal(text.exitCode, 13);
    assert.match(text.stdout, /b .*CATALOG_CORRUPT: commit 3 of the catalog is missing/);
    const json = await runCommand(['list', '-p', path, '--json']);
    assert.equal(jsonOf(json).backups[0].error.code, 'CATALOG_CORRUPT');
    await removeDirectory(path);
  });
});

describe('describe', () => {
  test('gives every life, partition, gap and truncation as JSON', async () => {
    const document = jsonOf(await runCommand(['describe', ...address(), '--json']));
    assert.deepEqual(
      document.topics.map(({ topic }: AnyJson) => topic),
      ['audit', 'orders'],
    );
    const [first, second] = document.topics[1].incarnations;
    assert.deepEqual(
      [first.topic_id, first.newest, second.topic_id, second.newest],
      [TOPIC_ID, false, SECOND_ID, true],
    );
    assert.deepEqual(first.observed.configs, { 'cleanup.policy': 'compact' });
    const { partition, first_offset, next_offset, timeline, gap_list, truncations, records } = first.partitions[0];
    assert.deepEqual(
      { partition, first_offset, next_offset, timeline, records },
      { partition: 0, first_offset: '0', next_offset: '16', timeline: 1, records: 14 },
    );
    assert.deepEqual(gap_list, [
      { base_offset: '5', last_offset: '9', reason: 'retention', detected_at: new Date(T0).toISOString() },
    ]);
    assert.deepEqual(truncations, [{ end_offset: '12', timeline: 1, detected_at: new Date(T0).toISOString() }]);
    assert.deepEqual([second.observed.partitions, second.partitions.length], [3, 1]);
  });

  test('tells people the same', async () => {
    const { stdout, exitCode } = await runCommand(['describe', ...address(), '--partitions']);
    assert.equal(exitCode, 0);
    for (const expected of [
      /Catalog: +version 9/,
      /Gaps: +1 gap\(s\), 5 offsets/,
      /orders .*2 lives; 1 gap\(s\), 5 offsets; 1 truncation\(s\)/,
      /a former life of the topic: 2 partitions/,
      /config cleanup\.policy = compact/,
      /gap in partition 0: offsets 5\.\.9 \(retention\)/,
      /partition 0 was cut back to offset 12 at the source: timeline 1/,
      /PARTITION +FIRST OFFSET +NEXT OFFSET/,
    ]) {
      assert.match(stdout, expected);
    }
    assert.doesNotMatch((await runCommand(['describe', ...address()])).stdout, /FIRST OFFSET/);
  });

  test('tells what was asked of the store, in all and for each GiB that it holds; of one topic it cannot', async () => {
    const path = await temporaryDirectory();
    const counts = new Map([['GetObject', 30]]);
    const made = await TestBackup.create(new FilesystemObjectStore(path), workers, () => counts);
    const { storedSizeBytes } = await made.add([jsonBatch(0n, 500)]);
    counts.set('PutObject', 1200);
    const second = await made.add([jsonBatch(500n, 500)]);
    const perGib = Math.round(1230 / ((storedSizeBytes + second.storedSizeBytes) / 2 ** 30));
    const expected = { total: 1230, per_stored_gib: perGib, by_operation: { PutObject: 1200, GetObject: 30 } };
    const at = ['-p', path, '-b', 'b'];
    assert.deepEqual(jsonOf(await runCommand(['describe', ...at, '--json'])).requests, expected);
    assert.deepEqual(jsonOf(await runCommand(['list', '-p', path, '--json'])).backups[0].requests, expected);
    assert.equal(jsonOf(await runCommand(['describe', ...at, '--topic', 'orders', '--json'])).requests, null);
    const { stdout } = await runCommand(['describe', ...at]);
    const text = `Requests:       1,230 to the store by the agents that wrote it, ${perGib.toLocaleString('en-US')} per stored GiB`;
    assert.ok(stdout.includes(`${text} (PutObject 1,200, GetObject 30)`), stdout);
    await removeDirectory(path);
  });

  test('says nothing of requests where none were made', async () => {
    assert.equal(jsonOf(await runCommand(['describe', ...address(), '--json'])).requests, null);
    assert.doesNotMatch((await runCommand(['describe', ...address()])).stdout, /Requests/);
  });

  test('of one topic leaves the others out, and names what there is when there is none', async () => {
    const { topics } = jsonOf(await runCommand(['describe', ...address(), '--topic', 'audit', '--json']));
    assert.deepEqual(
      topics.map(({ topic }: AnyJson) => topic),
      ['audit'],
    );
    const missing = await runCommand(['describe', ...address(), '--topic', 'nope', '--json']);
    assert.equal(missing.exitCode, 10);
    const failure = JSON.parse(missing.stderr);
    assert.deepEqual([failure.message_type, failure.error], ['exit_error', 'NOT_IN_BACKUP']);
    assert.match(failure.message, /holds no topic nope; it holds audit, orders/);
  });

  test('of a backup in a newer format says so', async () => {
    const path = await temporaryDirectory();
    const newer = await fill(path);
    await newer.change(newer.layout.identity, (bytes) =>
      changeJson(bytes, (identity) => ({ ...identity, formatVersion: 7 })),
    );
    const result = await runCommand(['describe', '-p', path, '-b', 'b']);
    assert.equal(result.exitCode, 1);
    assert.match(result.stderr, /format version 7, this program knows 1\nhint: Use that version/);
    await removeDirectory(path);
  });
});

describe('a stored backup is addressed', () => {
  const wrong: readonly [name: string, args: string[], exitCode: number, message: RegExp][] = [
    ['by neither file nor store', ['describe'], 2, /--config FILE, or with --path STORE/],
    ['by both', ['describe', '-c', 'x.yaml', '-p', '/x'], 2, /--config FILE, or with --path STORE/],
    ['without saying which', ['describe', '-p', '/x'], 2, /--backup-id ID/],
    ['by an id that is a path', ['describe', '-p', '/x', '-b', '../x'], 2, /not a plain name/],
    ['in a store that is not there', ['validate', '-p', '/nope/nowhere', '-b', 'b'], 10, /there is no backup b/],
    ['in a store of an unknown kind', ['list', '-p', 'ftp://x'], 2, /ftp/],
    ['by a configuration that is not there', ['list', '-c', '/nope.yaml'], 2, /nope\.yaml/],
  ];
  for (const [name, args, exitCode, message] of wrong) {
    test(`${name}: exit code ${exitCode} and a message`, async () => {
      const result = await runCommand(args);
      assert.deepEqual([result.exitCode, result.stdout], [exitCode, '']);
      assert.match(result.stderr, message);
    });
  }

  test('by a configuration', async () => {
    const file = join(directory, 'config.yaml');
    const config = {
      mode: 'backup',
      backup_id: 'b',
      source: { bootstrap_servers: ['127.0.0.1:1'] },
      storage: { backend: 'filesystem', path: directory },
    };
    await writeFile(file, JSON.stringify(config));
    assert.equal(jsonOf(await runCommand(['describe', '-c', file, '--json'])).id, 'b');
    assert.equal(jsonOf(await runCommand(['list', '-c', file, '--json'])).backups.length, 1);
  });
});

describe('validate', () => {
  test('ends with its verdict, and with 0', async () => {
    const plain = await runCommand(['validate', ...address()]);
    assert.equal(plain.exitCode, 0);
    assert.match(
      plain.stdout,
      /[\d.]+ [kM]?B read; --deep decodes every record\n[^]*Result: VALID with 1 declared gap\(s\)\n$/,
    );
    const quick = await runCommand(['validate', '--quick', ...address()]);
    assert.match(quick.stdout, /; only footers read\n[^]*Result: VALID by its footers with 1 declared gap\(s\)\n$/);
    const both = await runCommand(['validate', '--quick', '--deep', ...address()]);
    assert.equal(both.exitCode, 2);
    assert.match(both.stderr, /--quick reads no bodies and --deep decodes them: give one of the two/);
    const deep = await runCommand(['validate', '--deep', '--json', ...address()]);
    const { valid, result, segments, problem_count, orphan_count, deep: isDeep } = jsonOf(deep);
    assert.deepEqual(
      { valid, result, segments, problem_count, orphan_count, isDeep },
      {
        valid: true,
        result: 'VALID with 1 declared gap(s)',
        segments: 4,
        problem_count: 0,
        orphan_count: 0,
        isDeep: true,
      },
    );
  });

  test('ends with 13 and never says VALID beside a problem', async () => {
    const path = await temporaryDirectory();
    const damaged = await fill(path);
    const { key } = await damaged.add([jsonBatch(16n, 3)], { timeline: 1 });
    await damaged.change(key, (bytes) => bytes.fill(0xff, 40, 44));
    const text = await runCommand(['validate', '-p', path, '-b', 'b']);
    assert.equal(text.exitCode, 13);
    assert.match(text.stdout, new RegExp(`problem OBJECT_CORRUPT: frame 16\\.\\.18 of ${key}`));
    assert.match(text.stdout, /Result: INVALID: 1 problem\(s\)\n$/);
    assert.doesNotMatch(text.stdout, /\bVALID/);
    const json = await runCommand(['validate', '--deep', '--json', '-p', path, '-b', 'b']);
    const { valid, problems } = jsonOf(json);
    assert.deepEqual([json.exitCode, valid, problems[0].key, problems[0].offset], [13, false, key, '16']);
    await removeDirectory(path);
  });
});

describe('the static status', () => {
  test('tells the offsets of every partition from the catalog', async () => {
    const document = jsonOf(await runCommand(['status', ...address(), '--json']));
    assert.deepEqual([document.source, document.topics.length], ['catalog', 2]);
    assert.match((await runCommand(['status', ...address()])).stdout, /NEXT OFFSET/);
  });
});

describe('config', () => {
  test('print shows every key with its origin and hides secrets', async () => {
    const file = join(directory, 'secret.yaml');
    const security = {
      security_protocol: 'SASL_PLAINTEXT',
      sasl_mechanism: 'PLAIN',
      sasl_username: 'u',
      sasl_password: 'hush-hush',
    };
    const source = { bootstrap_servers: ['127.0.0.1:1'], security };
    await writeFile(
      file,
      JSON.stringify({ mode: 'backup', backup_id: 'b', source, storage: { path: '/x', backend: 'filesystem' } }),
      { mode: 0o600 },
    );
    const text = await runCommand(['config', 'print', '-c', file]);
    assert.equal(text.exitCode, 0);
    assert.match(text.stdout, /^KEY +VALUE +FROM\n/);
    assert.match(text.stdout, /source\.security\.sasl_password +\[hidden\] +.*secret\.yaml:1:/);
    const json = await runCommand(['config', 'print', '-c', file, '--json']);
    const byKey = new Map(jsonOf(json).config.map(({ key, value }: AnyJson) => [key, value]));
    assert.equal(byKey.get('backup_id'), 'b');
    assert.doesNotMatch(text.stdout + json.stdout, /hush-hush/);
  });

  test('print says what a start would say: keys that do nothing here, and risks', async () => {
    const file = join(directory, 'odd.yaml');
    const config = { mode: 'backup', backup_id: 'b', source: { bootstrap_servers: ['a:1'] } };
    await writeFile(file, JSON.stringify({ ...config, storage: { backend: 'memory' }, logging: { file: '/x' } }));
    const { stdout, stderr } = await runCommand(['config', 'print', '-c', file]);
    assert.match(stderr, /^warning: storage\.backend \(.*odd\.yaml:1:\d+\): the memory store forgets/m);
    assert.match(stderr, /^notice: logging\.file \(.*\): this key does nothing here/m);
    assert.doesNotMatch(stdout, /notice/);
    const { notices } = jsonOf(await runCommand(['config', 'print', '-c', file, '--json']));
    assert.deepEqual(
      notices.map(({ kind, key }: AnyJson) => [kind, key]),
      [
        ['warning', 'storage.backend'],
        ['notice', 'logging.file'],
      ],
    );
  });

  test('print of what is wrong lists it and exits with 2', async () => {
    const file = join(directory, 'wrong.yaml');
    await writeFile(file, '{ "mode": "backup", "nonsense": 1 }');
    const result = await runCommand(['config', 'print', '-c', file]);
    assert.equal(result.exitCode, 2);
    assert.match(result.stderr, /nonsense/);
  });

  test('schema is a JSON Schema', async () => {
    assert.equal(jsonOf(await runCommand(['config', 'schema'])).$schema, 'http://json-schema.org/draft-07/schema#');
  });
});
