// What a store promises of puts that never end: shown where the store shows them, discarded for good; and the clock by which
// their age is told.

import assert from 'node:assert/strict';
import { test } from 'node:test';
import { setTimeout as sleep } from 'node:timers/promises';
import type { ObjectStore, UnfinishedUpload } from '../../src/storage/object-store.ts';
import { keysUnder, PART, put } from './object-store.contract.ts';

async function unfinishedUnder(store: ObjectStore, prefix: string): Promise<UnfinishedUpload[]> {
  const found: UnfinishedUpload[] = [];
  for await (const upload of store.unfinished(prefix)) found.push(upload);
  return found;
}

export function describeLeftovers(store: () => ObjectStore, showsUploads: () => boolean): void {
  test('leaves nothing unfinished behind puts that ended, whichever way', async () => {
    async function* failing(): AsyncGenerator<Uint8Array> {
      yield Buffer.alloc(2 * PART);
      throw new Error('the body failed');
    }
    await put(store(), 'finished/small', 'x');
    await store().putIfAbsent('finished/large', [Buffer.alloc(2 * PART)]);
    await store().putIfAbsent('finished/large', [Buffer.alloc(2 * PART)]);
    await assert.rejects(store().putIfAbsent('given-up', failing()));
    assert.deepEqual(await unfinishedUnder(store(), 'finished/'), []);
    // Azure gives up blocks only by a put of its own, or in a week.
    // A part that was on its way when the put was given up may arrive afterwards.
    let left = await unfinishedUnder(store(), 'given-up');
    for (let round = 0; left.length > 0 && round < 20; round += 1) {
      for (const upload of left) await store().discard(upload);
      await sleep(100);
      left = await unfinishedUnder(store(), 'given-up');
    }
    assert.deepEqual(left, []);
    assert.equal(await store().head('given-up'), undefined);
  });

  test('shows a put under way where the store shows such, and discards it for good', async () => {
    let release = (): void => {};
    const waiting = new Promise<void>((resolve) => {
      release = resolve;
    });
    async function* slow(): AsyncGenerator<Uint8Array> {
      yield Buffer.alloc(2 * PART + 1);
      await waiting;
      yield Buffer.from('the end');
    }
    await put(store(), 'under-way/other', 'x');
    const startedAtMs = Date.now();
    const pending = store()
      .putIfAbsent('under-way/large', slow())
      .then(
        (outcome) => outcome,
        (error: unknown) => error,
      );
    let found: UnfinishedUpload[] = [];
    for (let turn = 0; turn < 40 && (found[0]?.sizeBytes ?? 0) < 2 * PART; turn += 1) {
      await sleep(50);
      found = await unfinishedUnder(store(), 'under-way/');
    }
    assert.deepEqual(await unfinishedUnder(store(), 'elsewhere/'), []);
    if (showsUploads()) {
      assert.equal(found.length, 1);
      assert.match(found[0]!.name, /^under-way\//);
      assert.ok(found[0]!.sizeBytes! >= 2 * PART, `${found[0]!.sizeBytes} bytes`);
      assert.ok(Math.abs(found[0]!.touchedAtMs! - startedAtMs) < 60_000, `touched at ${found[0]!.touchedAtMs}`);
      for (const upload of found) await store().discard(upload);
      for (const upload of found) await store().discard(upload);
      assert.deepEqual(await unfinishedUnder(store(), 'under-way/'), []);
    }
    release();
    const outcome = await pending;
    if (found.length > 0) {
      assert.equal((outcome as { readonly code?: unknown }).code, 'STORE_UNAVAILABLE');
      assert.deepEqual(await keysUnder(store(), 'under-way/'), ['under-way/other']);
    } else {
      assert.equal(outcome, 'created');
    }
  });

  test('tells the time by which it stamps objects', async () => {
    const beforeMs = await store().clock();
    await put(store(), 'clock/a', 'x');
    const { modifiedAtMs } = (await store().head('clock/a'))!;
    const afterMs = await store().clock();
    // Whole seconds, in the answers of most.
    assert.ok(
      beforeMs - 1000 <= modifiedAtMs && modifiedAtMs <= afterMs + 1000,
      `${beforeMs} ${modifiedAtMs} ${afterMs}`,
    );
  });
}
