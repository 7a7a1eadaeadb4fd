// The terminal of this process: stdout for results, stderr for the rest.

import type { InterruptSignals, Terminal } from './cli/output/terminal.ts';
import { clearProgressLine, showProgressLine } from './progress-line.ts';

const OUTPUT_LOST_EXIT_CODE = 1;
/** Cursor home, clear to the end of the screen (ECMA-48). */
const HOME_AND_CLEAR = '\u001b[H\u001b[J';

export interface ProcessTerminal extends Terminal {
  /** Resolves when everything written has left the process. */
  flushed(): Promise<void>;
}

export function openTerminal(signals: InterruptSignals): ProcessTerminal {
  const isInteractive = process.stderr.isTTY === true;
  let hasReader = true;
  // A reader that went away (`| head`) is no failure of ours; a disk that is full must not look like success.
  process.stdout.on('error', (error: NodeJS.ErrnoException) => {
    if (error.code === 'EPIPE') hasReader = false;
    if (!hasReader) return;
    process.stderr.write(`error: the output could not be written: ${error.code ?? error.message}\n`);
    process.exit(OUTPUT_LOST_EXIT_CODE);
  });
  return {
    isInteractive,
    signals,
    get hasReader() {
      return hasReader;
    },
    result: (text) => {
      clearProgressLine();
      if (hasReader) process.stdout.write(`${text}\n`);
    },
    renewed: (text) => {
      clearProgressLine();
      if (hasReader) process.stdout.write(process.stdout.isTTY === true ? `${HOME_AND_CLEAR}${text}\n` : `${text}\n`);
    },
    bytes: (bytes) =>
      new Promise((resolve) => {
        if (hasReader) process.stdout.write(bytes, () => resolve());
        else resolve();
      }),
    say: (text) => {
      clearProgressLine();
      process.stderr.write(`${text}\n`);
    },
    progress: (text) => {
      if (isInteractive) showProgressLine(text);
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
