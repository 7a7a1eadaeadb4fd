import assert from 'node:assert/strict';
import { setImmediate } from 'node:timers/promises';
import { test } from 'node:test';
import { type CommandContext, withStore } from '../../../src/cli/command-context.ts';

const FLAGS = { verbose: false, json: false, path: '/store' };

/** Of a terminal whose user has just pressed Ctrl-C where `stop` is aborted, and a store as given. */
function contextOf(stop: AbortController, openStore: () => Promise<unknown>): CommandContext {
  return { services: { openStore }, terminal: { signals: { stop: stop.signal } } } as unknown as CommandContext;
}

test('a command that a store holds up ends soon after it was told to stop', async (context) => {
  context.mock.timers.enable({ apis: ['setTimeout'] });
  const stop = new AbortController();
  const ended = withStore(
    contextOf(stop, () => new Promise(() => {})),
    FLAGS,
    async () => 0,
  );
  let failure: unknown;
  ended.catch((error: unknown) => (failure = error));
  stop.abort();
  context.mock.timers.tick(1000);
  await setImmediate();
  assert.equal(failure, undefined);
  context.mock.timers.tick(1000);
  await assert.rejects(ended, { code: 'INTERRUPTED' });
});

test('a command that ends by itself when it is told to stop says how', async () => {
  const stop = new AbortController();
  let isClosed = false;
  const opened = { close: async () => (isClosed = true) };
  const ended = withStore(
    contextOf(stop, async () => opened),
    FLAGS,
    async () => {
      stop.abort();
      return 3;
    },
  );
  assert.equal(await ended, 3);
  assert.ok(isClosed);
});
