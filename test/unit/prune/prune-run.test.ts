import assert from 'node:assert/strict';
import { after, before, describe, test } from 'node:test';
import { setTimeout as sleep } from 'node:timers/promises';
import { pruneJson, renderPrune } from '../../../src/cli/output/reports/render-prune.ts';
import type { WorkerPool } from '../../../src/compression/worker-pool.ts';
import { BackupError } from '../../../src/model/errors.ts';
import { type PruneReport, PruneRun } from '../../../src/prune/prune-run.ts';
import { MemoryObjectStore } from '../../../src/storage/memory-object-store.ts';
import type { Deletion, ObjectInfo, UnfinishedUpload } from '../../../src/storage/object-store.ts';
import { jsonBatch, startWorkers, T0, TestBackup, TOPIC_ID } from '../../support/stored-backup.ts';

const DAY_MS = 86_400_000;
const SECOND_ID = 'AAAAAAAAAAAAAAAAAAAAAg';

/** A store whose clock is where the test wants it, and which has uploads under way. */
class TestStore extends MemoryObjectStore {
  nowMs = Date.now() + 2 * DAY_MS;
  uploads: UnfinishedUpload[] = [];
  /** Called before an object is listed. */
  onListed: (object: ObjectInfo) => Promise<void> = async () => {};
  /** What a delete answers. */
  deletion: Deletion = 'deleted';
  /** Objects that it refuses to delete, and whether it refuses to tell of uploads. */
  readonly refused = new Set<string>();
  hidesUploads = false;
  /** What a listing says of an object instead. */
  stampedAtMs: number | undefined;

  override async *list(prefix: string, startAfter?: string): AsyncIterable<ObjectInfo> {
    for await (const object of super.list(prefix, startAfter)) {
      await this.onListed(object);
      yield this.stampedAtMs === undefined ? object : { ...object, modifiedAtMs: this.stampedAtMs };
    }
  }

  override async *unfinished(prefix: string): AsyncIterable<UnfinishedUpload> {
    if (this.hidesUploads) throw new BackupError('STORE_AUTHORIZATION_FAILED', 'ListMultipartUploads: HTTP 403');
    yield* this.uploads.filter(({ name }) => name.startsWith(prefix));
  }

  override async discard(upload?: UnfinishedUpload): Promise<void> {
    this.uploads = this.uploads.filter((one) => one !== upload);
  }

  override async delete(key: string): Promise<Deletion> {
    if (this.refused.has(key)) throw new BackupError('STORE_AUTHORIZATION_FAILED', `DeleteObject ${key}: HTTP 403`);
    await super.delete(key);
    return this.deletion;
  }

  override async clock(): Promise<number> {
    return this.nowMs;
  }
}

let workers: WorkerPool;
before(() => {
  workers = startWorkers(1);
});
after(() => workers.close());

interface TestPrune {
  readonly store: TestStore;
  readonly backup: TestBackup;
}

async function newBackup(): Promise<TestPrune> {
  const store = new TestStore();
  return { store, backup: await TestBackup.create(store, workers) };
}

function prune(
  { store, backup }: TestPrune,
  options: { readonly confirm?: boolean; readonly olderThanMs?: number; readonly signal?: AbortSignal } = {},
): Promise<PruneReport> {
  const { confirm = true, olderThanMs = DAY_MS, signal = new AbortController().signal } = options;
  return new PruneRun({ store, layout: backup.layout, olderThanMs, isConfirmed: confirm, signal }).run();
}

function upload(name: string, touchedAtMs: number | null): UnfinishedUpload {
  return { name, id: '1', touchedAtMs, sizeBytes: 10 };
}

async function keysOf(store: TestStore): Promise<string[]> {
  const keys: string[] = [];
  for await (const { key } of store.list('')) keys.push(key);
  return keys;
}

describe('prune', () => {
  test('lists an object that no commit names, and removes it only when that is confirmed', async () => {
    const made = await newBackup();
    await made.backup.add([jsonBatch(0n, 5)]);
    const { key, storedSizeBytes } = await made.backup.segment([[jsonBatch(5n, 5)]]);
    const all = await keysOf(made.store);
    const dry = await prune(made, { confirm: false });
    assert.deepEqual(dry.orphans, { count: 1, sizeBytes: storedSizeBytes });
    assert.deepEqual(
      dry.listed.map(({ kind, name }) => [kind, name]),
      [['orphan', key]],
    );
    assert.deepEqual(await keysOf(made.store), all);
    assert.deepEqual((await prune(made)).orphans, { count: 1, sizeBytes: storedSizeBytes });
    assert.deepEqual(
      await keysOf(made.store),
      all.filter((one) => one !== key),
    );
    assert.equal((await prune(made)).orphans.count, 0);
  });

  test('leaves what any version of the catalog names: old timelines and lives, and what was removed', async () => {
    const made = await newBackup();
    const { backup, store } = made;
    const identity = { topic: 'orders', topicId: TOPIC_ID, partition: 0 };
    const first = await backup.add([jsonBatch(0n, 5)]);
    await backup.add([jsonBatch(5n, 5)]);
    await backup.commit({
      kind: 'truncation',
      truncation: { ...identity, endOffset: 5n, timeline: 1, detectedAtMs: T0 },
    });
    await backup.add([jsonBatch(5n, 4)], { timeline: 1 });
    await backup.add([jsonBatch(0n, 2)], { topicId: SECOND_ID });
    await backup.commit({ kind: 'remove', key: first.key, partition: identity });
    await store.putIfAbsent(`${backup.layout.restoresPrefix}r1/attempt-1.json`, [Buffer.from('{}')]);
    const all = await keysOf(store);
    const report = await prune(made, { olderThanMs: 0 });
    assert.deepEqual([report.orphans.count, report.young.count], [0, 0]);
    assert.deepEqual(await keysOf(store), all);
  });

  test('leaves alone what is younger, by the clock of the store and by the time of its sealing', async () => {
    const made = await newBackup();
    await made.backup.add([jsonBatch(0n, 5)]);
    await made.backup.segment([[jsonBatch(5n, 5)]]);
    made.store.nowMs = Date.now() + DAY_MS - 60_000;
    const report = await prune(made);
    assert.deepEqual([report.orphans.count, report.young.count], [0, 1]);
    // S3 stamps an object with the time at which its upload began; the segment was sealed at T0 + 50,000.
    made.store.stampedAtMs = T0 - 5 * DAY_MS;
    made.store.nowMs = T0 + 50_000 + DAY_MS - 1;
    assert.deepEqual((await prune(made)).young.count, 1);
    made.store.nowMs += 1;
    assert.deepEqual((await prune(made)).orphans.count, 1);
  });

  test('leaves what is older than the first commit: of a catalog that was lost and begun anew it is all that is left', async () => {
    const made = await newBackup();
    const { backup, store } = made;
    await backup.segment([[jsonBatch(0n, 5)]]);
    const all = await keysOf(store);
    await sleep(5);
    await backup.add([jsonBatch(0n, 5)]);
    const report = await prune(made, { olderThanMs: 0 });
    assert.deepEqual([report.orphans.count, report.older.count], [0, 1]);
    assert.match(
      renderPrune(report),
      /\n {2}Left alone, since it is older than the first commit, .* named: 1, 1\.1 KiB\n/,
    );
    assert.equal(pruneJson(report).older_count, 1);
    const left = await keysOf(store);
    assert.deepEqual(
      all.filter((key) => !left.includes(key)),
      [],
    );
  });

  test('tells what the store keeps as older versions though it was deleted', async () => {
    const made = await newBackup();
    await made.backup.add([jsonBatch(0n, 5)]);
    const { storedSizeBytes } = await made.backup.segment([[jsonBatch(5n, 5)]]);
    made.store.deletion = 'hidden';
    const none = { count: 0, sizeBytes: 0 };
    const dry = await prune(made, { confirm: false });
    assert.deepEqual([dry.orphans.count, dry.hidden], [1, none]);
    const hidden = { count: 1, sizeBytes: storedSizeBytes };
    const report = await prune(made);
    assert.deepEqual([report.orphans, report.hidden], [hidden, hidden]);
    assert.match(
      renderPrune(report),
      /\n {2}Hidden; the old version stays until its lock or a lifecycle rule ends it: 1, /,
    );
    assert.match(renderPrune(report), /\nResult: removed 1, 1 of them only hidden$/);
    assert.equal(pruneJson(report).hidden_count, 1);
  });

  test('removes what is no whole segment by its age alone', async () => {
    const made = await newBackup();
    await made.backup.add([jsonBatch(0n, 5)]);
    const key = `${made.backup.layout.dataPrefix}orders/${TOPIC_ID}/0/half.log`;
    await made.store.putIfAbsent(key, [Buffer.from('no footer')]);
    assert.equal((await prune(made)).listed[0]?.name, key);
    assert.equal(await made.store.head(key), undefined);
  });

  test('lets a commit win that lands while it looks', async () => {
    const made = await newBackup();
    await made.backup.add([jsonBatch(0n, 5)]);
    const segment = await made.backup.segment([[jsonBatch(5n, 5)]]);
    made.store.onListed = async ({ key }) => {
      if (key !== segment.key) return;
      made.store.onListed = async () => {};
      await made.backup.commit({ kind: 'segment', segment });
    };
    const report = await prune(made);
    assert.deepEqual([report.orphans.count, report.catalogVersion], [0, 2]);
    assert.notEqual(await made.store.head(segment.key), undefined);
  });

  test('discards unfinished uploads of the backup that are old, whatever they were to become, and no others', async () => {
    const made = await newBackup();
    const { layout } = made.backup;
    await made.backup.add([jsonBatch(0n, 5)]);
    const old = [
      `${layout.dataPrefix}old`,
      `${layout.catalogPrefix}old`,
      `${layout.restoresPrefix}r1/old`,
      layout.identity,
    ];
    const kept = [
      upload(`${layout.dataPrefix}young`, made.store.nowMs - 1),
      upload(`${layout.dataPrefix}unknown`, null),
      upload('other-backup/data/old', 0),
    ];
    made.store.uploads = [...old.map((name) => upload(name, 0)), ...kept];
    const dry = await prune(made, { confirm: false });
    assert.deepEqual([dry.uploads.count, made.store.uploads.length], [4, 7]);
    const report = await prune(made);
    assert.deepEqual([report.uploads.count, report.young.count], [4, 2]);
    assert.deepEqual(made.store.uploads, kept);
  });
});

describe('prune goes on where the store', () => {
  /** So many orphans, and an old checkpoint. */
  async function withOrphans(count: number) {
    const made = await newBackup();
    await made.backup.add([jsonBatch(0n, 5)]);
    const orphans: string[] = [];
    for (let at = 1; at <= count; at += 1)
      orphans.push((await made.backup.segment([[jsonBatch(BigInt(at * 5), 5)]])).key);
    const { layout } = made.backup;
    const { signal } = new AbortController();
    const run = new PruneRun({ store: made.store, layout, olderThanMs: 0, isConfirmed: true, signal });
    return { ...made, orphans: orphans.sort(), run };
  }

  const REFUSED = { code: 'STORE_AUTHORIZATION_FAILED' };

  test('refuses to delete one object, and says what it did', async () => {
    const { store, orphans, run } = await withOrphans(3);
    store.uploads = [upload('b/data/old', 0)];
    store.refused.add(orphans[0]!);
    await assert.rejects(run.run(), REFUSED);
    const { orphans: removed, uploads, failures, listed } = run.report();
    assert.deepEqual([removed.count, uploads.count, failures.length], [2, 1, 1]);
    assert.deepEqual(
      listed.map(({ name }) => name),
      [...orphans.slice(1), 'b/data/old'],
    );
    assert.deepEqual(
      (await keysOf(store)).filter((key) => orphans.includes(key)),
      orphans.slice(0, 1),
    );
  });

  test('does not tell of uploads', async () => {
    const { store, backup, run } = await withOrphans(1);
    for (let at = 0; at < 5; at += 1) {
      await backup.add([jsonBatch(BigInt(5 + at * 5), 5)]);
      await backup.checkpoint();
    }
    store.hidesUploads = true;
    await assert.rejects(run.run(), REFUSED);
    const { orphans, checkpoints, failures } = run.report();
    assert.deepEqual([orphans.count, failures.length], [1, 1]);
    assert.ok(checkpoints.count > 0);
  });

  test('refuses everything, and does not ask it for ever', async () => {
    const { store, orphans, run } = await withOrphans(30);
    for (const key of orphans) store.refused.add(key);
    await assert.rejects(run.run(), REFUSED);
    const { orphans: removed, failures } = run.report();
    assert.deepEqual([removed.count, failures.length], [0, 10]);
  });
});

test('an upload that goes only by an empty object in its place is discarded where that is nothing but an orphan', async () => {
  const made = await newBackup();
  const { layout } = made.backup;
  await made.backup.add([jsonBatch(0n, 5)]);
  const upload = (name: string, touchedAtMs = 0): UnfinishedUpload => {
    return { name, id: '', touchedAtMs, sizeBytes: 10, appearsWhenDiscarded: true };
  };
  const left = [
    layout.commit(2),
    layout.checkpoint(1),
    `${layout.restoresPrefix}r1/intent.json`,
    layout.fillingPrefix(TOPIC_ID),
    layout.identity,
  ].map((name) => upload(name));
  const young = upload(layout.commit(3), made.store.nowMs - 1);
  made.store.uploads = [...left, young, upload(`${layout.dataPrefix}old`)];
  const dry = await prune(made, { confirm: false });
  const report = await prune(made);
  for (const { uploads, lapsing, young: spared, listed } of [dry, report]) {
    assert.deepEqual([uploads.count, spared.count], [1, 1]);
    assert.deepEqual(lapsing, { count: 5, sizeBytes: 50 });
    assert.deepEqual(
      listed.map(({ name }) => name),
      [`${layout.dataPrefix}old`],
    );
  }
  assert.deepEqual(made.store.uploads, [...left, young]);
  assert.match(
    renderPrune(report),
    /\n {2}Unfinished uploads outside data\/, left to the store, which drops them .*: 5, 50 B\n/,
  );
  assert.deepEqual([pruneJson(report).lapsing_count, pruneJson(report).lapsing_bytes], [5, 50]);
});

describe('prune removes nothing', () => {
  async function withOrphan(): Promise<TestPrune & { readonly orphan: string }> {
    const made = await newBackup();
    for (const offset of [0n, 5n, 10n]) await made.backup.add([jsonBatch(offset, 5)]);
    const { key } = await made.backup.segment([[jsonBatch(15n, 5)]]);
    return { ...made, orphan: key };
  }

  const damages: Readonly<Record<string, (made: TestPrune) => Promise<unknown>>> = {
    'has a hole': ({ store, backup }) => store.delete(backup.layout.commit(2)),
    'lost its first commit': ({ store, backup }) => store.delete(backup.layout.commit(1)),
    'lost everything': async ({ store, backup }) => {
      for (const version of [1, 2, 3]) await store.delete(backup.layout.commit(version));
    },
    'lost its identity': ({ store, backup }) => store.delete(backup.layout.identity),
    'ends before a checkpoint': async ({ store, backup }) => {
      await store.putIfAbsent(backup.layout.checkpoint(4), [Buffer.from('x')]);
    },
    'has a damaged commit': async ({ store, backup }) => {
      await store.delete(backup.layout.commit(3));
      await store.putIfAbsent(backup.layout.commit(3), [Buffer.from('{}')]);
    },
  };
  for (const [damage, inflict] of Object.entries(damages)) {
    test(`where the catalog ${damage}`, async () => {
      const made = await withOrphan();
      await inflict(made);
      await assert.rejects(prune(made), { code: 'CATALOG_CORRUPT' });
      assert.notEqual(await made.store.head(made.orphan), undefined);
    });
  }

  test('where there is no such backup', async () => {
    const made = await withOrphan();
    const { layout } = await TestBackup.create(new MemoryObjectStore(), workers);
    const run = new PruneRun({
      store: new MemoryObjectStore(),
      layout,
      olderThanMs: 0,
      isConfirmed: true,
      signal: AbortSignal.abort(),
    });
    await assert.rejects(run.run(), { code: 'BACKUP_NOT_FOUND' });
    await assert.rejects(prune(made, { signal: AbortSignal.abort() }), { code: 'INTERRUPTED' });
    assert.notEqual(await made.store.head(made.orphan), undefined);
  });
});
