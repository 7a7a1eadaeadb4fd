// Progress while a command works: on a terminal one line that renews itself and makes way for whatever is said, elsewhere a line
// now and then, with --json one that programs read.
import assert from 'node:assert/strict';
import { execFile } from 'node:child_process';
import { afterEach, beforeEach, describe, mock, test } from 'node:test';
import { promisify } from 'node:util';
import { reportProgress } from '../../../src/cli/output/progress-reporter.ts';
import type { Terminal } from '../../../src/cli/output/terminal.ts';
import { openTerminal } from '../../../src/process-terminal.ts';

const CLEAR = '\r\u001b[K';
const HALF_A_MINUTE_MS = 30_000;

/** What a terminal of this process writes to stderr, with stderr taken for a terminal or not. */
function written(isTTY: boolean, use: (terminal: Terminal) => void): string {
  const { stderr } = process;
  const isReally = Object.getOwnPropertyDescriptor(stderr, 'isTTY');
  let text = '';
  const write = mock.method(stderr, 'write', (chunk: string) => {
    text += chunk;
    return true;
  });
  Object.defineProperty(stderr, 'isTTY', { value: isTTY, configurable: true });
  try {
    use(openTerminal({ stop: new AbortController().signal }));
  } finally {
    write.mock.restore();
    if (isReally === undefined) delete (stderr as { isTTY?: boolean }).isTTY;
    else Object.defineProperty(stderr, 'isTTY', isReally);
  }
  return text;
}

function working(terminal: Terminal, isJson: boolean): () => void {
  let rounds = 0;
  return reportProgress({
    terminal,
    isJson,
    line: () => `round ${(rounds += 1)}`,
    fields: () => ({ bytesRead: 7, partitionsDone: 1 }),
  });
}

describe('progress', () => {
  beforeEach(() => mock.timers.enable({ apis: ['setInterval'] }));
  afterEach(() => mock.timers.reset());

  test('on a terminal is one line that the next one replaces, and what is said takes its place', () => {
    const text = written(true, (terminal) => {
      const end = working(terminal, false);
      mock.timers.tick(1000);
      terminal.say('a word');
      mock.timers.tick(500);
      end();
      mock.timers.tick(HALF_A_MINUTE_MS);
    });
    assert.equal(text, `round 1${CLEAR}round 2${CLEAR}a word\nround 3${CLEAR}`);
  });

  test('on a terminal never takes more than its line', () => {
    const text = written(true, (terminal) => {
      terminal.progress('x'.repeat(1000));
      terminal.progress('');
    });
    assert.equal(text, 'x'.repeat((process.stderr.columns || 80) - 1) + CLEAR);
  });

  test('on a terminal makes way for the log, whose lines go past the terminal', async () => {
    const moduleAt = (path: string): string => JSON.stringify(new URL(`../../../src/${path}`, import.meta.url).href);
    const code = `Object.defineProperty(process.stderr, 'isTTY', { value: true });
      const { openTerminal } = await import(${moduleAt('process-terminal.ts')});
      const { createLogger } = await import(${moduleAt('telemetry/logger.ts')});
      const { clearProgressLine } = await import(${moduleAt('progress-line.ts')});
      const terminal = openTerminal({ stop: new AbortController().signal });
      const logger = await createLogger({ level: 'info', format: 'json', beforeLine: clearProgressLine });
      terminal.progress('round 1');
      logger.info('one');
      logger.info('two');
      terminal.progress('round 2');
      terminal.say('a word');`;
    const { stderr } = await promisify(execFile)(process.execPath, ['--input-type=module', '--eval', code]);
    const shown = stderr.replaceAll(/\{.*"msg":"(\w+)"\}/g, '$1');
    assert.equal(shown, `round 1${CLEAR}one\ntwo\nround 2${CLEAR}a word\n`);
  });

  test('elsewhere is a line every half minute', () => {
    const text = written(false, (terminal) => {
      const end = working(terminal, false);
      mock.timers.tick(2 * HALF_A_MINUTE_MS);
      end();
    });
    assert.equal(text, 'round 1\nround 2\n');
  });

  test('with --json is a status every half minute, on a terminal too', () => {
    const text = written(true, (terminal) => {
      const end = working(terminal, true);
      mock.timers.tick(HALF_A_MINUTE_MS);
      end();
    });
    assert.deepEqual(JSON.parse(text), { message_type: 'status', bytes_read: 7, partitions_done: 1 });
  });
});
