import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import { KeyDigests } from '../../../src/prune/key-digests.ts';

const KEYS = 100_000;
const keyOf = (index: number): string =>
  `b/data/orders/AAAAAAAAAAAAAAAAAAAAAQ/${index % 50}/${String(index).padStart(20, '0')}-0123abcd.log.zst`;

describe('the digests of keys', () => {
  const digests = new KeyDigests();
  for (let index = 0; index < KEYS; index += 1) digests.add(keyOf(index));

  test('tell every key that was added, and no other', () => {
    for (let index = 0; index < KEYS; index += 1) assert.ok(digests.has(keyOf(index)));
    for (let index = KEYS; index < 2 * KEYS; index += 1) assert.ok(!digests.has(keyOf(index)));
  });

  test('take at most 22 bytes a key, whatever its length, and nothing for one that is there', () => {
    const { sizeBytes } = digests;
    assert.ok(sizeBytes < 22 * KEYS, `${sizeBytes} bytes`);
    for (let index = 0; index < KEYS; index += 1) digests.add(keyOf(index));
    assert.equal(digests.sizeBytes, sizeBytes);
  });
});
