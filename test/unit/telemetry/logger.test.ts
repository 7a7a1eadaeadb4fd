import assert from 'node:assert/strict';
import { execFile } from 'node:child_process';
import { describe, test } from 'node:test';
import { promisify } from 'node:util';
import { BackupError } from '../../../src/model/errors.ts';
import { createLogger, type LoggerOptions } from '../../../src/telemetry/logger.ts';

const LOGGER_URL = new URL('../../../src/telemetry/logger.ts', import.meta.url).href;

async function logTo(options: Partial<LoggerOptions> = {}) {
  const lines: string[] = [];
  const destination = { write: (line: string) => lines.push(line) };
  const logger = await createLogger({ level: 'debug', format: 'json', destination, ...options });
  return { logger, lines, entries: (): Record<string, unknown>[] => lines.map((line) => JSON.parse(line)) };
}

describe('the JSON log', () => {
  test('has one object a line with time, level, message and fields', async () => {
    const { logger, lines, entries } = await logTo();
    logger.info('segment sealed', { component: 'backup', topic: 'orders', partition: 3, offset: 2n ** 62n });
    assert.match(lines[0]!, /\n$/);
    const { time, ...rest } = entries()[0]!;
    assert.match(String(time), /^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}Z$/);
    assert.deepEqual(rest, {
      level: 'info',
      component: 'backup',
      topic: 'orders',
      partition: 3,
      offset: '4611686018427387904',
      msg: 'segment sealed',
    });
  });

  test('tells an expected failure by code, message, remedy, place and cause, without a stack', async () => {
    const { logger, entries } = await logTo();
    const cause = new Error('ENOSPC');
    logger.error('upload failed', {
      error: new BackupError('STORE_FULL', 'put x', { cause, context: { offset: 5n } }),
    });
    assert.deepEqual(entries()[0]!['error'], {
      code: 'STORE_FULL',
      message: 'put x',
      hint: 'Free space or move the store; nothing that was committed is touched.',
      offset: '5',
      cause: 'ENOSPC',
    });
  });

  test('tells a defect with its stack', async () => {
    const { logger, entries } = await logTo();
    logger.error('defect', { error: new TypeError('x is not a function') });
    const error = entries()[0]!['error'] as { type: string; stack: string[] };
    assert.equal(error.type, 'TypeError');
    assert.match(error.stack[0]!, /logger\.test\.ts/);
  });

  test('has no line break inside a line, whatever the text holds', async () => {
    const { logger, lines } = await logTo();
    logger.warn('a\nb', { topic: 'c\r\nd', error: new Error('e\nf') });
    assert.equal(lines.join('').split('\n').length, 2);
  });

  test('keeps a field from taking the place of time, level or msg', async () => {
    const { logger, entries } = await logTo();
    logger.info('real', { msg: 'forged', level: 'error', time: 0 });
    const { msg, level, msg_: shadow } = entries()[0]!;
    assert.deepEqual([msg, level, shadow], ['real', 'info', 'forged']);
  });

  test('writes nothing below its level, which can be changed', async () => {
    const { logger, entries } = await logTo({ level: 'warn' });
    logger.info('quiet');
    logger.setLevel('debug');
    logger.debug('loud');
    assert.deepEqual(
      entries().map(({ msg }) => msg),
      ['loud'],
    );
  });

  test('puts bound fields on every line, and a field of the line wins', async () => {
    const { logger, entries } = await logTo();
    const bound = logger.withFields({ component: 'restore', topic: 'a' });
    bound.info('x', { topic: 'b' });
    const { component, topic } = entries()[0]!;
    assert.deepEqual([component, topic], ['restore', 'b']);
  });
});

describe('repeated warnings', () => {
  const repeatLimits = { burst: 2, windowMs: 1000, maxKinds: 3 };

  test('are held back after the burst and told as a number when the window ends', async () => {
    let now = 0;
    const { logger, entries } = await logTo({ repeatLimits, now: () => now });
    for (let index = 0; index < 514; index += 1) logger.warn('no leader', { component: 'backup', partition: index });
    assert.equal(entries().length, 2);
    now = 1001;
    logger.warn('something else');
    const { time: _, ...summary } = entries()[2]!;
    assert.deepEqual(summary, { level: 'warn', component: 'backup', msg: 'no leader ... 512 more like this' });
    assert.equal(entries()[3]!['msg'], 'something else');
    logger.warn('no leader', { component: 'backup' });
    assert.equal(entries().length, 5);
  });

  test('are told by flush, once', async () => {
    const { logger, entries } = await logTo({ repeatLimits, now: () => 0 });
    for (let index = 0; index < 5; index += 1) logger.error('again');
    logger.flush();
    logger.flush();
    assert.deepEqual(
      entries().map(({ msg }) => msg),
      ['again', 'again', 'again ... 3 more like this'],
    );
  });

  test('are kept apart by level, component and error code; information is never held back', async () => {
    const { logger, entries } = await logTo({ repeatLimits: { ...repeatLimits, burst: 1, maxKinds: 9 }, now: () => 0 });
    for (let round = 0; round < 2; round += 1) {
      logger.warn('same');
      logger.error('same');
      logger.warn('same', { component: 'restore' });
      logger.warn('same', { error: new BackupError('STORE_FULL', 'x') });
      logger.info('same');
    }
    assert.equal(entries().length, 6);
  });

  test('make room for new kinds: the oldest is told and forgotten', async () => {
    const { logger, entries } = await logTo({ repeatLimits, now: () => 0 });
    for (let index = 0; index < 3; index += 1) logger.warn('first');
    for (let index = 0; index < 3; index += 1) logger.warn(`kind ${index}`);
    assert.ok(entries().some(({ msg }) => msg === 'first ... 1 more like this'));
  });

  test('are told by a timer where nothing else is logged, and the timer does not keep the process', async () => {
    const { logger, entries } = await logTo({ repeatLimits: { ...repeatLimits, windowMs: 20 } });
    for (let index = 0; index < 3; index += 1) logger.warn('again');
    await new Promise((resolve) => setTimeout(resolve, 80));
    assert.equal(entries().at(-1)!['msg'], 'again ... 1 more like this');
  });
});

describe('the log for people', () => {
  test('shows control characters, line breaks and text direction marks instead of obeying them', async () => {
    const { logger, lines } = await logTo({ format: 'pretty' });
    logger.warn('topic \u001b[31mred\nforged line \u009b2J', {
      topic: 'a\u001b]0;title\u0007',
      'key\u001b': '\u202egnp.exe',
      error: new BackupError('STORE_FULL', 'at \u001b[2J', { cause: new Error('\u001bc') }),
    });
    assert.equal(lines.length, 1);
    const line = lines[0]!.trimEnd();
    assert.doesNotMatch(line, /[\p{Cc}\u202e]/u);
    assert.match(line, /WARN.*topic \\u001b\[31mred\\u000aforged line \\u009b2J/);
    assert.match(line, /a\\u001b\]0;title\\u0007/);
  });
});

test('goes to stderr as JSON where that is no terminal, and leaves stdout alone', async () => {
  const code = `const { createLogger } = await import(${JSON.stringify(LOGGER_URL)});
    const logger = await createLogger({ level: 'info', format: 'auto' });
    logger.info('hello');
    for (let index = 0; index < 30; index += 1) logger.warn('again');
    logger.flush();`;
  const { stdout, stderr } = await promisify(execFile)(process.execPath, ['--input-type=module', '--eval', code]);
  assert.equal(stdout, '');
  const messages = stderr
    .trimEnd()
    .split('\n')
    .map((line) => JSON.parse(line).msg);
  assert.equal(messages[0], 'hello');
  assert.equal(messages.at(-1), 'again ... 20 more like this');
});
