// Instants of a command line: what the model says of them, as errors of usage.

import { BackupError } from '../../model/errors.ts';
import { type InstantContext, parseInstant } from '../../model/instant.ts';

/** Epoch milliseconds. @throws USAGE_INVALID naming the flag. */
export function instantOf(text: string, flag: string, context: InstantContext): number {
  const resolved = parseInstant(text, context);
  if (resolved.kind === 'instant') return resolved.epochMs;
  const remedy = context.timeZone === null ? '' : ` (--tz ${context.timeZone})`;
  throw new BackupError('USAGE_INVALID', `${flag}: ${resolved.message}${remedy}`);
}
