import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import { TopicSelection } from '../../../../src/model/topic/topic-selection.ts';

const INCLUDE = ['orders', 'pay-*', '~^audit-\\d+$'];
const EXCLUDE = ['*-tmp', '~eu$'];
const OFFSETS = '__consumer_offsets';

/** Those of `topics` that are meant. */
function selected(include: readonly string[], exclude: readonly string[], topics: readonly string[]): string[] {
  const selection = new TopicSelection({ include, exclude });
  return topics.filter((topic) => selection.matches(topic));
}

describe('which topics are meant', () => {
  test('those of a name, a glob or a regex, without those of an exclusion of each kind', () => {
    const meant = ['orders', 'pay-', 'pay-card', 'pay-eu-1', 'audit-7', 'audit-2026'];
    const excluded = ['pay-tmp', 'pay-card-tmp', 'pay-eu', 'pay-card.eu'];
    const others = [
      'orders-2',
      'old-orders',
      'Orders',
      'pay',
      'repay-card',
      'audit-',
      'audit-7a',
      'audit-x',
      'my-audit-7',
    ];
    assert.deepEqual(selected(INCLUDE, EXCLUDE, [...meant, ...excluded, ...others]), meant);
  });

  test('all but the excluded and the internal ones when nothing is included by name', () => {
    const topics = ['orders', 'anything', 'any-tmp', 'shop-eu', OFFSETS, '_schemas'];
    assert.deepEqual(selected([], EXCLUDE, topics), ['orders', 'anything', '_schemas']);
  });

  test('an internal one only by its exact name, and not when it is excluded as well', () => {
    const topics = ['orders', OFFSETS, '__transaction_state'];
    for (const pattern of ['*', '__*', '~.*', '~^__consumer_offsets$']) {
      assert.ok(!selected([pattern], [], topics).includes(OFFSETS), pattern);
    }
    assert.deepEqual(selected([OFFSETS, 'orders'], [], topics), ['orders', OFFSETS]);
    assert.deepEqual(selected([OFFSETS, 'orders'], ['__consumer_*'], topics), ['orders']);
  });

  test('with a dot that stands for itself in names and globs, and for any character in a regex', () => {
    const topics = ['shop.v1', 'shopXv1', 'shop.v10'];
    assert.deepEqual(selected(['shop.v1'], [], topics), ['shop.v1']);
    assert.deepEqual(selected(['shop.v*'], [], topics), ['shop.v1', 'shop.v10']);
    assert.deepEqual(selected(['~^shop.v1$'], [], topics), ['shop.v1', 'shopXv1']);
    assert.deepEqual(selected([], ['shop.v?'], topics), ['shopXv1', 'shop.v10']);
  });

  test('with a question mark for exactly one character', () => {
    assert.deepEqual(selected(['log-?'], [], ['log-', 'log-1', 'log-12']), ['log-1']);
  });
});

describe('the names that are meant literally', () => {
  test('are those without a pattern, and alone when there is no other', () => {
    const mixed = new TopicSelection({ include: INCLUDE, exclude: EXCLUDE });
    assert.deepEqual([mixed.literals, mixed.isLiteral], [['orders'], false]);
    const named = new TopicSelection({ include: ['orders', 'shop.v1'], exclude: EXCLUDE });
    assert.deepEqual([named.literals, named.isLiteral], [['orders', 'shop.v1'], true]);
    assert.equal(new TopicSelection({ include: [], exclude: [] }).isLiteral, false);
  });
});
