// Which regular expressions from outside are refused because matching them may take exponentially long: those that repeat, without
// a bound, a group in which something repeats or which chooses (`(a+)+`, `(a|a)*`), and those that refer back to a group.

/** The pattern is known to be valid. Errs on the side of refusing. */
export function canTakeForever(pattern: string): boolean {
  /** Of each group that is open: whether something in it repeats or chooses. */
  const open: boolean[] = [];
  let isClass = false;
  for (let at = 0; at < pattern.length; at += 1) {
    const character = pattern.charAt(at);
    if (character === '\\') {
      at += 1;
      if (!isClass && /[1-9k]/.test(pattern.charAt(at))) return true;
    } else if (isClass) isClass = character !== ']';
    else if (character === '[') isClass = true;
    else if (character === '(') open.push(false);
    else if (character === ')') {
      const isRisky = open.pop() ?? false;
      if (isRisky && isRepeat(pattern, at + 1)) return true;
      if (isRisky || isRepeat(pattern, at + 1)) markLast(open);
    } else if (character === '|' || isRepeat(pattern, at)) markLast(open);
  }
  return false;
}

/** True where `*`, `+`, `{2,}` or `{1,30}` stands. */
function isRepeat(pattern: string, at: number): boolean {
  return /^(?:[*+]|\{\d+,\d*\})/.test(pattern.slice(at));
}

function markLast(open: boolean[]): void {
  if (open.length > 0) open[open.length - 1] = true;
}
