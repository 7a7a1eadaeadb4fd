// The two streams of a command: results on stdout, everything said on the way on stderr. Text that comes from a cluster or a
// store is escaped before it reaches a terminal.

export interface Terminal {
  /** A result. Ends the line. */
  result(text: string): void;
  /** A result that takes the place of the one before where somebody watches stdout; elsewhere it follows it. */
  renewed(text: string): void;
  /** Raw bytes of a result; waits while the reader is slow. */
  bytes(bytes: Uint8Array): Promise<void>;
  /** False once whoever read stdout went away (`| head`): what is written then is dropped. */
  readonly hasReader: boolean;
  /** Something said on the way, on stderr. */
  say(text: string): void;
  /** A line on stderr that the next one overwrites; only on a terminal. */
  progress(text: string): void;
  /** True when somebody watches stderr. */
  readonly isInteractive: boolean;
  readonly signals: InterruptSignals;
}

/** The first SIGINT or SIGTERM aborts `stop`; a second one ends the process. */
export interface InterruptSignals {
  readonly stop: AbortSignal;
}

/** Control characters as \uXXXX: names and messages may be hostile. */
export function printable(text: string): string {
  // oxlint-disable-next-line no-control-regex
  return text.replace(/[\u0000-\u001f\u007f-\u009f\u2028\u2029\u202a-\u202e\u2066-\u2069]/g, (character) => {
    return `\\u${character.charCodeAt(0).toString(16).padStart(4, '0')}`;
  });
}
