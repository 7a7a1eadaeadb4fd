// Windows of time that the dice choose for a log: from within its records and markers, on the millisecond or beside it, and from before
// and behind all of them. Open at either end, empty, a single instant long, or larger than the log.
import type { Dice } from './dice.ts';
import type { RestoreTarget } from './restore-model.ts';

/** How far from the first and the last of its timestamps a window may begin and end. */
const BEYOND_MS = 1000;

export type RandomWindow = Pick<RestoreTarget, 'fromMs' | 'toMs' | 'cut'>;

/** `timestampsMs`: of everything in the log, in any order. */
export function randomWindow(dice: Dice, timestampsMs: readonly number[]): RandomWindow {
  const ordered = timestampsMs.toSorted((a, b) => a - b);
  const [first, last] = [ordered[0]!, ordered.at(-1)!];
  const instant = (): number => {
    const kind = dice.next();
    if (kind < 0.6) return dice.pick(ordered) + dice.between(-1, 1);
    if (kind < 0.8) return dice.between(first - BEYOND_MS, last + BEYOND_MS);
    return dice.chance(0.5) ? dice.between(first - BEYOND_MS, first - 1) : dice.between(last + 1, last + BEYOND_MS);
  };
  const start = instant();
  const end = dice.chance(0.1) ? start : instant();
  return {
    ...(dice.chance(0.2) ? {} : { fromMs: Math.min(start, end) }),
    ...(dice.chance(0.15) ? {} : { toMs: Math.max(start, end) }),
    cut: dice.pick(['timestamp', 'log']),
  };
}
