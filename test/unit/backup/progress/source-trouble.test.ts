import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import { SourceTrouble } from '../../../../src/backup/progress/source-trouble.ts';

describe('the trouble of a backup', () => {
  test('is over when the one that was in trouble serves again, and nobody else', () => {
    const trouble = new SourceTrouble(() => 0);
    trouble.begin('broker 1', new Error('broker 1 is away'));
    trouble.begin('store', new Error('the store is away'));
    trouble.served('broker 2');
    assert.equal(trouble.error?.message, 'broker 1 is away');
    trouble.served('broker 1');
    assert.equal(trouble.error?.message, 'the store is away');
    trouble.served('store');
    assert.equal(trouble.error, null);
  });

  test('of a broker from which nothing is wanted any more is none', () => {
    const trouble = new SourceTrouble(() => 0);
    trouble.begin('broker 1', new Error('broker 1 is away'));
    trouble.drop('broker 1');
    assert.equal(trouble.error, null);
  });

  test('stalls a backup only while nobody serves it', () => {
    let nowMs = 1000;
    const trouble = new SourceTrouble(() => nowMs);
    trouble.begin('broker 1', new Error('broker 1 is away'));
    nowMs += 60_000;
    assert.equal(trouble.stalledMs, 60_000);
    trouble.served('broker 2');
    nowMs += 500;
    trouble.begin('broker 1', new Error('broker 1 is away still'));
    assert.equal(trouble.stalledMs, 500);
  });
});
