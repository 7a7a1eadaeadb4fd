import assert from 'node:assert/strict';
import { test } from 'node:test';
import { canTakeForever } from '../../../../src/config/restore/slow-regex.ts';

test('a group that repeats what repeats or chooses, or a reference back, may take forever', () => {
  const patterns = [
    '(a+)+b',
    '(a|a)*b',
    '(?:x*y?)*',
    '((a+)b)+',
    '(a{2,})+',
    '((a|b)c)*',
    '(a)\\1',
    '(?<n>a)\\k<n>',
    '([(]a+)+',
  ];
  for (const pattern of patterns) assert.equal(canTakeForever(pattern), true, pattern);
});

test('what names topics and keys are matched with does not', () => {
  const patterns = [
    '^orders-[0-9]+$',
    '(.*)-v1',
    'prod|test',
    '(prod|test)[.].*',
    '\\(a+\\)+',
    '[(+*|]+',
    '(abc)+',
    '(a+b)?',
    'a+b+c*',
  ];
  for (const pattern of patterns) assert.equal(canTakeForever(pattern), false, pattern);
});
