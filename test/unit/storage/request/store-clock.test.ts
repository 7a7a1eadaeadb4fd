import assert from 'node:assert/strict';
import { test } from 'node:test';
import { StoreClock } from '../../../../src/storage/request/store-clock.ts';

const HOST_MS = Date.parse('2026-05-01T12:00:00.400Z');

function make() {
  const warnings: string[] = [];
  const ignore = (): void => {};
  const logger = { debug: ignore, info: ignore, warn: (text: string) => void warnings.push(text), error: ignore };
  let nowMs = HOST_MS;
  const pass = (ms: number): void => void (nowMs += ms);
  return { clock: new StoreClock(logger, () => nowMs), warnings, pass };
}

test('the clock of a store goes on from its last answer', () => {
  const { clock, warnings, pass } = make();
  assert.equal(clock.nowMs(), undefined);
  clock.hear(undefined);
  clock.hear('yesterday, perhaps');
  assert.equal(clock.nowMs(), undefined);
  clock.hear('Fri, 01 May 2026 12:00:07 GMT');
  pass(5000);
  assert.equal(clock.nowMs(), Date.parse('2026-05-01T12:00:12Z'));
  assert.deepEqual(warnings, []);
});

test('a host whose clock is more than a minute off is told once, and by how much', () => {
  for (const [date, says] of [
    ['Fri, 01 May 2026 13:00:00 GMT', 'the clock of this host is 3600 s behind that of the store: set it right'],
    ['Fri, 01 May 2026 11:30:00 GMT', 'the clock of this host is 1800 s ahead of that of the store: set it right'],
  ] as const) {
    const { clock, warnings } = make();
    clock.hear(date);
    clock.hear(date);
    assert.deepEqual(warnings, [says]);
  }
});
