// The terminal of this process: stdout for results, stderr for the rest.

import type { InterruptSignals, Terminal } from './cli/terminal.ts';

/** Cursor home, clear to the end of the screen (ECMA-48). */
const HOME_AND_CLEAR = '\u001b[H\u001b[J';

export interface ProcessTerminal extends Terminal {
  /** Resolves when everything written has left the process. */
  flushed(): Promise<void>;
}

export function openTerminal(signals: InterruptSignals): ProcessTerminal {
  const isInteractive = process.stderr.isTTY === true;
  // A reader that went away (`| head`) is no failure of ours.
  process.stdout.on('error', (error: NodeJS.ErrnoException) => {
    if (error.code === 'EPIPE') process.exit(0);
  });
  let hasProgressLine = false;
  const clear = (): void => {
    if (hasProgressLine) process.stderr.write('\r\u001b[K');
    hasProgressLine = false;
  };
  return {
    isInteractive,
    signals,
    result: (text) => {
      clear();
      process.stdout.write(`${text}\n`);
    },
    renewed: (text) => {
      clear();
      process.stdout.write(process.stdout.isTTY === true ? `${HOME_AND_CLEAR}${text}\n` : `${text}\n`);
    },
    bytes: (bytes) =>
      new Promise((resolve) => {
        process.stdout.write(bytes, () => resolve());
      }),
    say: (text) => {
      clear();
      process.stderr.write(`${text}\n`);
    },
    progress: (text) => {
      if (!isInteractive) return;
      clear();
      if (text === '') return;
      process.stderr.write(text.slice(0, (process.stderr.columns ?? 80) - 1));
      hasProgressLine = true;
    },
    flushed: async () => {
      await Promise.all(
        [process.stdout, process.stderr].map(
          (stream) => new Promise<void>((resolve) => stream.write('', () => resolve())),
        ),
      );
    },
  };
}
