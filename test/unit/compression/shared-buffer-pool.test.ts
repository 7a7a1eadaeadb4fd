import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import { setImmediate } from 'node:timers/promises';
import { SharedBufferPool } from '../../../src/compression/shared-buffer-pool.ts';

describe('a pool of shared buffers', () => {
  test('makes no more than its limit, and lends in the order of asking', async () => {
    const pool = new SharedBufferPool(16, 2);
    const lent = [await pool.acquire(), await pool.acquire()];
    const order: string[] = [];
    const third = pool.acquire().then((buffer) => (order.push('third'), buffer));
    const fourth = pool.acquire().then((buffer) => (order.push('fourth'), buffer));
    await setImmediate();
    assert.deepEqual(order, []);
    pool.release(lent[0]!);
    assert.equal(await third, lent[0]);
    pool.release(lent[1]!);
    assert.equal(await fourth, lent[1]);
    assert.deepEqual(order, ['third', 'fourth']);
  });

  test('lends the same memory again', async () => {
    const pool = new SharedBufferPool(16, 2);
    const first = await pool.acquire();
    pool.release(first);
    assert.equal(await pool.acquire(), first);
    assert.equal(first.byteLength, 16);
  });

  test('refuses memory that is not its own', () => {
    assert.throws(() => new SharedBufferPool(16, 2).release(new SharedArrayBuffer(17)), /invariant broken/);
  });
});
