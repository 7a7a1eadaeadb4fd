// Progress of a running backup or restore: one line that renews itself on a terminal, one line every half minute elsewhere,
// JSON lines (`message_type: status`, all names in snake case) with --json.

import { toJson } from '../../model/json-fields.ts';
import type { Terminal } from './terminal.ts';

const TERMINAL_INTERVAL_MS = 500;
const LOG_INTERVAL_MS = 30_000;

export interface ProgressOptions {
  readonly terminal: Terminal;
  readonly isJson: boolean;
  readonly line: () => string;
  readonly fields: () => Readonly<Record<string, unknown>>;
}

/** Tells the seconds since it was made. */
export function stopwatch(): () => number {
  const startedAt = performance.now();
  return () => (performance.now() - startedAt) / 1000;
}

/** Starts reporting; the result ends it. */
export function reportProgress({ terminal, isJson, line, fields }: ProgressOptions): () => void {
  const isRenewed = terminal.isInteractive && !isJson;
  const timer = setInterval(
    () => {
      if (isJson) terminal.say(toJson({ message_type: 'status', ...inSnakeCase(fields()) }));
      else if (isRenewed) terminal.progress(line());
      else terminal.say(line());
    },
    isRenewed ? TERMINAL_INTERVAL_MS : LOG_INTERVAL_MS,
  );
  return () => {
    clearInterval(timer);
    if (isRenewed) terminal.progress('');
  };
}

function inSnakeCase(fields: Readonly<Record<string, unknown>>): Readonly<Record<string, unknown>> {
  const named = Object.entries(fields).map(([name, value]) => [
    name.replace(/[A-Z]/g, (letter) => `_${letter.toLowerCase()}`),
    value,
  ]);
  return Object.fromEntries(named);
}
