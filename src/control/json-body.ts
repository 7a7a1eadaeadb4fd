// Strict JSON for request bodies. JSON.parse decides what JSON is; on top of it nothing ambiguous is let through: invalid UTF-8,
// a byte order mark, a key given twice (of which parsers disagree on the winner), `__proto__`, or nesting without end.

const MAX_DEPTH = 16;
const DECODER = new TextDecoder('utf-8', { fatal: true, ignoreBOM: true });

export type JsonBody =
  | { readonly kind: 'value'; readonly value: unknown }
  | { readonly kind: 'invalid'; readonly message: string };

/** Parses a whole body. The message of a refusal never quotes the body. */
export function parseJsonBody(bytes: Uint8Array): JsonBody {
  let text: string;
  try {
    text = DECODER.decode(bytes);
  } catch {
    return { kind: 'invalid', message: 'the body is not UTF-8' };
  }
  if (text.trim() === '') return { kind: 'invalid', message: 'the body is empty' };
  let value: unknown;
  try {
    value = JSON.parse(text);
  } catch {
    return { kind: 'invalid', message: 'the body is not JSON' };
  }
  const ambiguity = findAmbiguity(text);
  return ambiguity === null ? { kind: 'value', value } : { kind: 'invalid', message: ambiguity };
}

/** Strings and brackets are all that matters here: the text is known to be JSON. */
const TOKEN = /"(?:[^"\\]|\\.)*"|[{}[\],:]/g;

function findAmbiguity(text: string): string | null {
  const open: (Set<string> | null)[] = [];
  let isKeyNext = false;
  for (const [token] of text.matchAll(TOKEN)) {
    const keys = open.at(-1) ?? null;
    if (token === '{' || token === '[') {
      open.push(token === '{' ? new Set() : null);
      if (open.length > MAX_DEPTH) return `the body is nested deeper than ${MAX_DEPTH} levels`;
      isKeyNext = token === '{';
    } else if (token === '}' || token === ']') {
      open.pop();
      isKeyNext = false;
    } else if (token === ',') {
      isKeyNext = keys !== null;
    } else if (token === ':') {
      isKeyNext = false;
    } else if (isKeyNext && keys !== null) {
      const key: unknown = JSON.parse(token);
      if (key === '__proto__') return 'the key "__proto__" is not allowed';
      if (keys.has(String(key))) return 'the body gives a key twice';
      keys.add(String(key));
    }
  }
  return null;
}
