import assert from 'node:assert/strict';
import { test } from 'node:test';
import { WaitList } from '../../../src/model/wait-list.ts';

test('a wait list wakes all who wait, once, and not those who come back because of it', async () => {
  const list = new WaitList();
  const woken: string[] = [];
  const wait = async (name: string): Promise<void> => {
    await list.wait();
    woken.push(name);
    await list.wait();
    woken.push(`${name} again`);
  };
  const waiting = [wait('a'), wait('b')];
  list.wake();
  list.wake();
  await new Promise(setImmediate);
  assert.deepEqual(woken, ['a', 'b']);
  list.wake();
  await Promise.all(waiting);
  assert.deepEqual(woken, ['a', 'b', 'a again', 'b again']);
});
