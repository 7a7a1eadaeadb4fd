// What is wrong with a configuration and where, and how that is printed. A message never carries a secret: callers quote
// values only through `quoted`, which also hides user information in addresses and escapes control characters.

/** Where a value came from. Lines and columns count from 1. */
export type Origin =
  | { readonly kind: 'default' }
  | { readonly kind: 'file'; readonly file: string; readonly line: number; readonly column: number }
  | { readonly kind: 'env'; readonly name: string }
  | { readonly kind: 'flag'; readonly name: string }
  /** A place in the body of a request, such as `body/topics/0`. */
  | { readonly kind: 'body'; readonly path: string };

/** One reason not to start. `key` is the dotted path, empty for the file as a whole; `suggestion` says what to do. */
export interface ConfigProblem {
  readonly origin: Origin;
  readonly key: string;
  readonly message: string;
  readonly suggestion: string | null;
}

/** Something to know that does not stop the start: `notice` for keys that do nothing here, `warning` for risks. */
export interface ConfigNotice {
  readonly kind: 'notice' | 'warning';
  readonly origin: Origin;
  readonly key: string;
  readonly message: string;
}

/** The origin as an operator looks for it: `backup.yaml:14:21`, `env NAME`, `flag --name`, `default`. */
export function originText(origin: Origin): string {
  switch (origin.kind) {
    case 'default':
      return 'default';
    case 'file':
      return `${printable(origin.file)}:${origin.line}:${origin.column}`;
    case 'env':
      return `env ${printable(origin.name)}`;
    case 'flag':
      return `flag ${printable(origin.name)}`;
    case 'body':
      return printable(origin.path);
  }
}

/**
 * The report for the terminal: one line per problem in aligned columns, then the count. Ends without a newline; that nothing was
 * started is said by the hint of CONFIG_INVALID. At most 100 problems are printed in full.
 */
export function renderProblems(problems: readonly ConfigProblem[]): string {
  const shown = problems.slice(0, MOST_SHOWN);
  const rows = shown.map((p) => ({
    ...p,
    message: p.suggestion === null ? p.message : `${p.message} ${p.suggestion}`,
  }));
  const more = problems.length > shown.length ? [`... and ${problems.length - shown.length} more.`] : [];
  const count = problems.length === 1 ? '1 error' : `${problems.length} errors`;
  return [...aligned(rows), ...more, `${count}. Docs: config/REFERENCE.md`].join('\n');
}

/** Notices and warnings in the same columns, one line each; empty text for none. */
export function renderNotices(notices: readonly ConfigNotice[]): string {
  return aligned(notices.map((n) => ({ ...n, message: `${n.kind}: ${n.message}` }))).join('\n');
}

/** Orders by place: file lines first, then environment, flags, and what has no place. */
export function byPlace(a: { readonly origin: Origin }, b: { readonly origin: Origin }): number {
  if (a.origin.kind === 'file' && b.origin.kind === 'file') {
    return a.origin.line - b.origin.line || a.origin.column - b.origin.column;
  }
  return RANK[a.origin.kind] - RANK[b.origin.kind];
}

/** A value in double quotes, shortened, without control characters, or the user part and query of an address. */
export function quoted(text: string): string {
  // First, so that the cut cannot take away what tells a secret.
  const open = withoutSecrets(text);
  const short = open.length > 80 ? `${open.slice(0, 80)}...` : open;
  return `"${printable(short)}"`;
}

/** A password may hold slashes, and an address may have lost its scheme; a `?` alone is one of a topic pattern. */
function withoutSecrets(text: string): string {
  const scheme = text.indexOf('://');
  const host = scheme < 0 ? 0 : scheme + 3;
  const user = scheme < 0 ? -1 : text.lastIndexOf('@');
  const rest = user < host ? text.slice(host) : `[hidden]@${text.slice(user + 1)}`;
  const query = scheme < 0 ? /\?[\w.%-]+=.*/s : /[?#].*/s;
  const named = rest.replace(query, (found) => `${found[0]}[hidden]`).replace(/\bsig=[^&\s]+/g, 'sig=[hidden]');
  return text.slice(0, host) + named.replace(/[^\s/"]+/g, withoutUser);
}

/** By its last `@`: a pattern would go back and forth over a long text. */
function withoutUser(word: string): string {
  const at = word.lastIndexOf('@');
  return at < 1 ? word : `[hidden]${word.slice(at)}`;
}

/** Text that cannot steer a terminal: control and direction characters appear as escapes. */
export function printable(text: string): string {
  return text.replace(
    CONTROL_CHARACTERS,
    (character) => `\\u${(character.codePointAt(0) ?? 0).toString(16).padStart(4, '0')}`,
  );
}

const MOST_SHOWN = 100;
const RANK = { file: 0, env: 1, flag: 2, body: 3, default: 4 };
const CONTROL_CHARACTERS = /[\p{Cc}\p{Cf}\p{Cs}\u2028\u2029]/gu;

function aligned(rows: readonly { origin: Origin; key: string; message: string }[]): string[] {
  const cells = rows.map((row) => [originText(row.origin), printable(row.key), row.message] as const);
  const widest = (column: 0 | 1) => Math.min(60, Math.max(0, ...cells.map((cell) => cell[column].length)));
  const [first, second] = [widest(0), widest(1)];
  return cells.map(([place, key, message]) => `${place.padEnd(first)}  ${key.padEnd(second)}  ${message}`);
}
