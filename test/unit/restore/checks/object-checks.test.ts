import assert from 'node:assert/strict';
import { beforeEach, describe, test } from 'node:test';
import { CheckList } from '../../../../src/restore/checks/check-list.ts';
import { checkObjects } from '../../../../src/restore/checks/object-checks.ts';
import { MemoryObjectStore } from '../../../../src/storage/memory-object-store.ts';
import { plan, seen, stateOf, stored, T0, timed } from '../plan/plan-fixture.ts';
import { A0, A1 } from '../preflight-fixture.ts';

class CountingStore extends MemoryObjectStore {
  heads = 0;
  listed = 0;

  override async head(...args: Parameters<MemoryObjectStore['head']>) {
    this.heads += 1;
    return super.head(...args);
  }

  override async *list(...args: Parameters<MemoryObjectStore['list']>) {
    for await (const info of super.list(...args)) {
      this.heads -= 1;
      this.listed += 1;
      yield info;
    }
  }
}

describe('the preflight of the objects', () => {
  const many = Array.from({ length: 150 }, (_, index) => {
    const from = index * 10;
    return timed(A0, [BigInt(from), BigInt(from + 10)], [from, from + 9]);
  });
  const few = [stored(A1, 0n, 10n), stored(A1, 10n, 20n)];
  const state = stateOf(seen('a', 2), ...many, ...few);
  const segments = plan(state).topics.flatMap(({ lanes }) =>
    lanes.flatMap(({ sources }) => sources.flatMap((source) => source.segments.map(({ segment }) => segment))),
  );
  let store: CountingStore;

  beforeEach(async () => {
    store = new CountingStore();
    for (const { key, storedSizeBytes } of segments) await store.putIfAbsent(key, [Buffer.alloc(storedSizeBytes)]);
  });

  async function found(made = plan(state)): Promise<string> {
    const list = new CheckList();
    await checkObjects(made, store, list);
    return list.checks.map(({ level, message }) => `${level}: ${message}`).join('\n');
  }

  test('lists the partitions of which many are needed, and asks for each of the others', async () => {
    assert.equal(segments.length, 152);
    assert.equal(await found(), 'ok: all 152 object(s) are there with their size');
    assert.deepEqual([store.listed, store.heads], [150, 2]);
  });

  test('lists no more of a partition than lies between the first and the last that are needed', async () => {
    const window = plan(state, { recoveryTarget: { cut: 'timestamp', fromMs: T0 + 200, toMs: T0 + 1299 } });
    assert.match(await found(window), /^ok: all 1\d\d object/);
    assert.ok(store.listed <= 113, `${store.listed} listed`);
  });

  test('finds what is missing or has another size in a listing as it does elsewhere', async () => {
    const [gone, short] = segments;
    await store.delete(gone!.key);
    await store.delete(short!.key);
    await store.putIfAbsent(short!.key, [Buffer.alloc(1)]);
    const message = await found();
    assert.match(message, /^block: 2 of 152 object\(s\) are damaged: /);
    assert.ok(
      message.includes(`${gone!.key} is missing; ${short!.key} has 1 bytes instead of ${short!.storedSizeBytes}`),
    );
    assert.equal(store.heads, 3);
  });
});
