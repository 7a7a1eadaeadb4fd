import assert from 'node:assert/strict';
import { test } from 'node:test';
import { BackupError } from '../../../src/model/errors.ts';
import type { Patience } from '../../../src/model/patience.ts';
import { PatientStore } from '../../../src/storage/patient-store.ts';
import { MemoryObjectStore } from '../../../src/storage/memory-object-store.ts';

const LOGGER = { debug() {}, info() {}, warn() {}, error() {} };
const BYTES = Buffer.from('bytes');

/** Time passes only while somebody waits; `atMs` happens when its time has come. */
function patienceOf(patienceMs: number, atMs: readonly (readonly [ms: number, event: () => void])[] = []) {
  let nowMs = 0;
  const due = [...atMs];
  const stop = new AbortController();
  const patience: Patience = {
    work: 'the restore',
    patienceMs,
    signal: stop.signal,
    logger: LOGGER,
    monotonicMs: () => nowMs,
    wait: async (ms) => {
      nowMs += ms;
      while (due[0] !== undefined && due[0][0] <= nowMs) due.shift()?.[1]();
    },
  };
  return { patience, stop, elapsedMs: () => nowMs };
}

/** A store that can go away as a mount does: what was in it is not found. */
class Mount extends MemoryObjectStore {
  isAway = false;

  override async get(...args: Parameters<MemoryObjectStore['get']>): Promise<Uint8Array | undefined> {
    return this.isAway ? undefined : super.get(...args);
  }

  override async head(...args: Parameters<MemoryObjectStore['head']>) {
    return this.isAway ? undefined : super.head(...args);
  }
}

async function mountWith(...keys: readonly string[]): Promise<Mount> {
  const mount = new Mount();
  for (const key of keys) await mount.putIfAbsent(key, [BYTES]);
  return mount;
}

test('waits for a store that is away for a minute', async () => {
  const mount = await mountWith('b/backup.json', 'b/data/x');
  mount.isAway = true;
  const { patience, elapsedMs } = patienceOf(600_000, [[60_000, () => (mount.isAway = false)]]);
  const store = new PatientStore(mount, 'b/backup.json', patience);
  assert.deepEqual(Buffer.from((await store.get('b/data/x'))!), BYTES);
  assert.ok(elapsedMs() >= 60_000);
});

test('an object that is missing from a store that is there is missing at once', async () => {
  const { patience, elapsedMs } = patienceOf(600_000);
  const store = new PatientStore(await mountWith('b/backup.json'), 'b/backup.json', patience);
  assert.equal(await store.get('b/data/x'), undefined);
  assert.equal(await store.head('b/data/x'), undefined);
  assert.equal(elapsedMs(), 0);
});

test('an object is there when the store comes back before its witness is looked for', async () => {
  const mount = await mountWith('b/backup.json', 'b/data/x');
  const head = mount.head.bind(mount);
  mount.head = async (key) => {
    if (key === 'b/backup.json') mount.isAway = false;
    return head(key);
  };
  const store = new PatientStore(mount, 'b/backup.json', patienceOf(600_000).patience);
  mount.isAway = true;
  assert.deepEqual(Buffer.from((await store.get('b/data/x'))!), BYTES);
  mount.isAway = true;
  assert.equal((await store.head('b/data/x'))?.sizeBytes, BYTES.byteLength);
});

test('puts nothing into a directory where the store has been', async () => {
  const mount = await mountWith('b/backup.json');
  mount.isAway = true;
  const { patience } = patienceOf(600_000, [[5000, () => (mount.isAway = false)]]);
  const store = new PatientStore(mount, 'b/backup.json', patience);
  const puts: string[] = [];
  mount.putIfAbsent = async (key) => {
    assert.equal(mount.isAway, false);
    puts.push(key);
    return 'created';
  };
  assert.equal(await store.putIfAbsent('b/restores/r/report.json', [BYTES]), 'created');
  assert.deepEqual(puts, ['b/restores/r/report.json']);
});

test('loses its patience with a store that does not come back', async () => {
  const mount = await mountWith('b/backup.json');
  mount.isAway = true;
  const { patience, elapsedMs } = patienceOf(30_000);
  await assert.rejects(new PatientStore(mount, 'b/backup.json', patience).get('b/data/x'), {
    code: 'STORE_UNAVAILABLE',
  });
  assert.ok(elapsedMs() >= 30_000 && elapsedMs() < 60_000, String(elapsedMs()));
});

test('says how long it will wait, once a minute, and in the end how long it has waited', async () => {
  const mount = await mountWith('b/backup.json');
  mount.isAway = true;
  const told: string[] = [];
  const { patience } = patienceOf(7_200_000);
  const logger = { ...LOGGER, warn: (message: string) => told.push(message) };
  await assert.rejects(new PatientStore(mount, 'b/backup.json', { ...patience, logger }).get('b/data/x'), {
    code: 'STORE_UNAVAILABLE',
    message: /; the restore has waited for 2 h and gives up$/,
  });
  assert.equal(told[0], 'the restore waits, for another 2 h at most');
  assert.equal(told[1], 'the restore waits, for another 1 h 59 min at most');
  assert.match(told.at(-1) ?? '', /another \d+ (s|min) at most/);
  assert.ok(told.length > 90 && told.length <= 121, String(told.length));
});

test('whoever asks in the middle of an outage waits no longer than those before, and an answer ends it for all', async () => {
  const mount = await mountWith('b/backup.json', 'b/data/x');
  mount.isAway = true;
  const { patience, elapsedMs } = patienceOf(30_000);
  const store = new PatientStore(mount, 'b/backup.json', patience);
  const gone = { code: 'STORE_UNAVAILABLE' };
  await assert.rejects(store.get('b/data/x'), gone);
  assert.equal(elapsedMs(), 30_000);
  await assert.rejects(store.head('b/data/x'), gone);
  assert.equal(elapsedMs(), 30_000, 'the patience was over before it was asked');
  mount.isAway = false;
  await store.get('b/data/x');
  mount.isAway = true;
  await assert.rejects(store.head('b/data/x'), gone);
  assert.equal(elapsedMs(), 60_000, 'another outage, another patience');
});

test('who is not patient has not waited', async () => {
  const mount = await mountWith('b/backup.json');
  mount.isAway = true;
  const { patience } = patienceOf(-1);
  let nowMs = 0;
  const store = new PatientStore(mount, 'b/backup.json', { ...patience, monotonicMs: () => (nowMs += 1000) });
  for (let time = 0; time < 2; time += 1) await assert.rejects(store.get('b/data/x'), /^(?!.*has waited)/);
});

test('a read that is silent ends with the restore', async () => {
  const mount = await mountWith('b/backup.json');
  mount.get = () => new Promise<never>(() => {});
  const { patience, stop } = patienceOf(30_000);
  const reading = new PatientStore(mount, 'b/backup.json', patience).get('b/data/x');
  stop.abort();
  await assert.rejects(reading, { code: 'INTERRUPTED' });
});

test('does not wait out what will not change', async () => {
  const mount = await mountWith('b/backup.json');
  mount.get = async () => {
    throw new BackupError('STORE_REFUSED', 'no access');
  };
  const { patience, elapsedMs } = patienceOf(30_000);
  await assert.rejects(new PatientStore(mount, 'b/backup.json', patience).get('b/data/x'), { code: 'STORE_REFUSED' });
  assert.equal(elapsedMs(), 0);
});

test('stops waiting when the restore is stopped', async () => {
  const mount = await mountWith('b/backup.json');
  mount.isAway = true;
  const { patience, stop } = patienceOf(600_000, [[1000, () => stop.abort()]]);
  await assert.rejects(new PatientStore(mount, 'b/backup.json', patience).get('b/data/x'), { code: 'INTERRUPTED' });
});

test('lists on behind the last key after a failure, and takes no empty mount for an empty folder', async () => {
  const keys = ['b/data/a', 'b/data/b', 'b/data/c'];
  const mount = await mountWith('b/backup.json', ...keys);
  const list = mount.list.bind(mount);
  const from: (string | undefined)[] = [];
  mount.list = async function* (prefix, startAfter) {
    from.push(startAfter);
    if (mount.isAway) return;
    for await (const found of list(prefix, startAfter)) {
      yield found;
      if (startAfter === undefined) throw new BackupError('STORE_UNAVAILABLE', 'the connection broke');
    }
  };
  const { patience } = patienceOf(600_000);
  const listed: string[] = [];
  for await (const { key } of new PatientStore(mount, 'b/backup.json', patience).list('b/data/')) listed.push(key);
  assert.deepEqual([listed, from], [keys, [undefined, 'b/data/a']]);
  mount.isAway = true;
  const away = new PatientStore(mount, 'b/backup.json', patienceOf(1000).patience).list('b/data/');
  await assert.rejects(away.next(), { code: 'STORE_UNAVAILABLE' });
});
