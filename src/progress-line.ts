// The line on stderr that renews itself while a command works. A process has one stderr, so it has one such line: the terminal
// shows it, and whatever else writes to stderr, the log above all, takes it away first.

/** Back to the beginning, clear to the end of the line (ECMA-48). */
const RETURN_AND_CLEAR = '\r\u001b[K';

let isShown = false;

/** Takes the place of the line before; nothing for empty text. Only where stderr is a terminal. */
export function showProgressLine(text: string): void {
  clearProgressLine();
  if (text === '') return;
  process.stderr.write(text.slice(0, (process.stderr.columns || 80) - 1));
  isShown = true;
}

/** Whatever is written next begins a line. */
export function clearProgressLine(): void {
  if (isShown) process.stderr.write(RETURN_AND_CLEAR);
  isShown = false;
}
