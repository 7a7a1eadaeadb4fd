// The agent's log, on pino. Always to stderr, because results go to stdout: one JSON object a line, or text for people where
// stderr is a terminal (pino-pretty is loaded only then). Writing is synchronous, so that the last line before a crash is
// there. Field names: time (ISO 8601), level, msg, component, backup, topic, partition, offset, segment, duration_ms, error.

import { type DestinationStream, destination as openDestination, pino, stdTimeFunctions } from 'pino';
import { BackupError } from '../model/errors.ts';
import type { LogFields, Logger } from '../model/logger.ts';
import { escapeControls, escapeFields, renderFields, renderText } from './log-fields.ts';
import { REPEAT_LIMITS, RepeatLimiter, type RepeatLimits } from './repeat-limiter.ts';

export const LOG_LEVELS = ['debug', 'info', 'warn', 'error'] as const;
export type LogLevel = (typeof LOG_LEVELS)[number];
export type LogFormat = 'json' | 'pretty' | 'auto';

export interface LoggerOptions {
  readonly level: LogLevel;
  /** `auto`: pretty when stderr is a terminal, else JSON. */
  readonly format: LogFormat;
  /** Stands in for stderr. Gets whole lines, each with its line break. */
  readonly destination?: { write(line: string): unknown };
  /** Called before each line where stderr is a terminal: something may stand there that is no whole line. */
  readonly beforeLine?: () => void;
  readonly repeatLimits?: RepeatLimits;
  readonly now?: () => number;
}

export interface AgentLogger extends Logger {
  /** The same log with these fields on every line, such as `component`; a field of a single line wins over them. */
  withFields(fields: LogFields): Logger;
  /** Takes effect at once for this log and all made from it. */
  setLevel(level: LogLevel): void;
  /** Tells the warnings held back; to be called before the process ends. */
  flush(): void;
}

/** Keys that pino writes itself; a field of that name gets a trailing underscore instead of a second, ambiguous key. */
const RESERVED = ['time', 'level', 'msg'];

/**
 * Makes the log. Warnings and errors that repeat word for word are rate limited per component and error code.
 * Secrets are hidden by the name of their key; control characters are escaped where a terminal would obey them.
 */
export async function createLogger(options: LoggerOptions): Promise<AgentLogger> {
  const isPretty = options.format === 'pretty' || (options.format === 'auto' && process.stderr.isTTY);
  const target = options.destination ?? openStderr(options.beforeLine);
  const sink = pino(
    {
      level: options.level,
      base: null,
      timestamp: stdTimeFunctions.isoTime,
      formatters: { level: (label) => ({ level: label }) },
    },
    isPretty ? await prettyStream(target) : target,
  );
  const limiter = new RepeatLimiter(options.repeatLimits ?? REPEAT_LIMITS, options.now ?? Date.now);

  const write = (level: LogLevel, message: string, fields: LogFields): void => {
    if (!sink.isLevelEnabled(level)) return;
    const text = renderText(message);
    const emit = (line: string, shown: LogFields): void => {
      const rendered = withoutReserved(renderFields(shown));
      if (isPretty) sink[level](escapeFields(rendered), escapeControls(line));
      else sink[level](rendered, line);
    };
    const { component } = fields;
    const tellRepeats = (heldBack: number): void => emit(`${text} ... ${heldBack} more like this`, { component });
    const mayRepeat = level === 'debug' || level === 'info';
    if (mayRepeat || limiter.admit(repeatKey(level, text, fields), tellRepeats)) emit(text, fields);
  };
  return {
    ...logWith(write, {}),
    withFields: (fields) => logWith(write, fields),
    setLevel: (level) => {
      sink.level = level;
    },
    flush: () => limiter.flush(),
  };
}

type Write = (level: LogLevel, message: string, fields: LogFields) => void;

function logWith(write: Write, bound: LogFields): Logger {
  return {
    debug: (message, fields) => write('debug', message, { ...bound, ...fields }),
    info: (message, fields) => write('info', message, { ...bound, ...fields }),
    warn: (message, fields) => write('warn', message, { ...bound, ...fields }),
    error: (message, fields) => write('error', message, { ...bound, ...fields }),
  };
}

/** Two lines are alike when level, component, message and error code agree; topic and partition may differ. */
function repeatKey(level: LogLevel, message: string, fields: LogFields): string {
  const { component, error } = fields;
  const code = error instanceof BackupError ? error.code : '';
  return [level, typeof component === 'string' ? component : '', code, message].join('\n');
}

function withoutReserved(rendered: Record<string, unknown>): Record<string, unknown> {
  for (const key of RESERVED) {
    if (!(key in rendered)) continue;
    rendered[`${key}_`] = rendered[key];
    delete rendered[key];
  }
  return rendered;
}

/** A reader of stderr that has gone away must not end the agent: its lines are lost, the backup goes on. */
function openStderr(beforeLine: (() => void) | undefined): DestinationStream {
  const stderr = openDestination({ dest: 2, sync: true });
  stderr.on('error', () => {});
  if (beforeLine === undefined || !process.stderr.isTTY) return stderr;
  return {
    write(line) {
      beforeLine();
      stderr.write(line);
    },
  };
}

async function prettyStream(target: { write(line: string): unknown }): Promise<DestinationStream> {
  const { default: pretty } = await import('pino-pretty');
  const format = pretty.prettyFactory({
    colorize: process.stderr.isTTY && process.stderr.hasColors(),
    translateTime: 'SYS:HH:MM:ss.l',
    singleLine: true,
    errorLikeObjectKeys: [],
  });
  return { write: (line) => void target.write(format(line)) };
}
