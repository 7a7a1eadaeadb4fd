// How the story is told: numbered steps, details below them, one line of progress that renews itself on a terminal only.
// Colours on a terminal, unless NO_COLOR says otherwise.
import { styleText } from 'node:util';

const INDENT = '      ';
const RULE_WIDTH = 78;

type Style = 'bold' | 'dim' | 'green' | 'red' | 'yellow';

export class Narrator {
  readonly #steps: number;
  readonly #startedAt = performance.now();
  #step = 0;
  #hasProgress = false;

  constructor(steps: number) {
    this.#steps = steps;
  }

  title(text: string): void {
    this.#line(styled('bold', text));
    this.#line(styled('dim', '-'.repeat(RULE_WIDTH)));
  }

  /** Begins the next step. */
  step(text: string): void {
    this.#step += 1;
    this.#line(`${styled('bold', `[${this.#step}/${this.#steps}] ${text}`)}  ${styled('dim', `(${this.elapsed()})`)}`);
  }

  detail(text: string, style?: Style): void {
    for (const line of text.split('\n')) this.#line(INDENT + (style === undefined ? line : styled(style, line)));
  }

  pass(text: string): void {
    this.#line(`${INDENT}${styled('green', 'PASS')}  ${text}`);
  }

  fail(text: string): void {
    this.#line(`${INDENT}${styled('red', 'FAIL')}  ${text}`);
  }

  /** Replaces the line of progress; nothing is said where nobody watches. */
  progress(text: string): void {
    if (process.stdout.isTTY !== true) return;
    this.#clear();
    process.stdout.write(styled('dim', (INDENT + text).slice(0, (process.stdout.columns ?? RULE_WIDTH) - 1)));
    this.#hasProgress = true;
  }

  closing(text: string, style: Style): void {
    this.#line('');
    this.#line(styled(style, text));
  }

  /** Since the story began. */
  elapsed(): string {
    return `${((performance.now() - this.#startedAt) / 1000).toFixed(1)} s`;
  }

  #line(text: string): void {
    this.#clear();
    process.stdout.write(`${text}\n`);
  }

  #clear(): void {
    if (this.#hasProgress) process.stdout.write('\r\u001b[K');
    this.#hasProgress = false;
  }
}

function styled(style: Style, text: string): string {
  return styleText(style, text, { stream: process.stdout });
}
