// YAML text -> SourceNode. Accepts the plain part of YAML 1.2 (core schema): one document, no aliases, tags, merge keys or
// 1.1 directives. The parser's own messages quote the file, which may hold secrets, so each code has its text here.
// Duplicate keys are found here, not by the parser, whose check is quadratic (20,000 keys: 2.9 s).

import { isAlias, isMap, isScalar, isSeq, LineCounter, type ParsedNode, parseDocument } from 'yaml';
import { type ConfigProblem, type Origin, quoted } from '../problems.ts';
import type { MapEntry, ScalarNode, SourceNode } from './source-node.ts';

export type YamlResult =
  /** With what is wrong about single keys; `unread` are the paths of values that could not be taken over. */
  | {
      readonly kind: 'read';
      readonly root: SourceNode;
      readonly problems: readonly ConfigProblem[];
      readonly unread: readonly string[];
    }
  /** Nothing in the text can be relied upon. */
  | { readonly kind: 'invalid'; readonly problems: readonly ConfigProblem[] };

/** Parses one document. An empty document is an empty map. Collects every problem it can see, of syntax at most one per line. */
export function readYaml(text: string, file: string): YamlResult {
  const reader = new YamlReader(text.replace(/^\uFEFF/, ''), file);
  const root = reader.read();
  const { problems, unread } = reader;
  return root === null ? { kind: 'invalid', problems } : { kind: 'read', root, problems, unread };
}

const DEEPEST = 20;
const MOST_SYNTAX_PROBLEMS = 20;
// Not `logLevel: 'silent'`: it also silences the error about a second document.
const OPTIONS = {
  schema: 'core',
  uniqueKeys: false,
  strict: true,
  merge: false,
  prettyErrors: false,
} as const;

const SYNTAX_TEXTS: Readonly<Record<string, string>> = {
  TAB_AS_INDENT: 'tabs cannot indent. Use spaces.',
  BAD_INDENT: 'the indentation does not fit the lines above, or a bracket is not closed.',
  MULTIPLE_DOCS: 'a second document starts here. Keep one document per file.',
  MISSING_CHAR: 'a quote, comma, colon or bracket is missing.',
  BAD_SCALAR_START: 'a value cannot start with this character. Put quotes around the value.',
  BLOCK_AS_IMPLICIT_KEY: 'there are two keys on this line. Put quotes around a value that contains ": ".',
  MULTILINE_IMPLICIT_KEY: 'a key spans several lines. A colon may be missing.',
  RESOURCE_EXHAUSTION: 'the nesting is too deep.',
  BAD_DIRECTIVE: 'this directive is not accepted. Remove the line.',
  BAD_DQ_ESCAPE: 'this escape is not known in double quotes. Use single quotes, or write \\\\ for a backslash.',
};

class YamlReader {
  readonly problems: ConfigProblem[] = [];
  readonly unread: string[] = [];
  private isTooDeep = false;
  private readonly lines = new LineCounter();
  private readonly text: string;
  private readonly file: string;

  constructor(text: string, file: string) {
    this.text = text;
    this.file = file;
  }

  /** Null when the text is not understood as a whole. */
  read(): SourceNode | null {
    const document = parseDocument(this.text, { ...OPTIONS, lineCounter: this.lines });
    for (const error of [...document.errors, ...document.warnings]) {
      if (error.code === 'TAG_RESOLVE_FAILED') continue; // every explicit tag is reported below
      this.reportSyntax(error.code, error.pos[0]);
    }
    const { yaml } = document.directives;
    if (yaml.explicit === true && yaml.version !== '1.2') {
      this.report(0, '', `YAML ${yaml.version} reads values differently.`, 'Remove the %YAML line.');
    }
    if (this.problems.length > 0) return null;
    const root = document.contents === null ? this.emptyMap() : this.node(document.contents, '', 0);
    return this.isTooDeep ? null : root;
  }

  private node(node: ParsedNode | null, path: string, depth: number): SourceNode {
    if (node === null) return this.scalar(null, '', 0);
    const position = node.range[0];
    if (isAlias(node)) {
      this.report(position, path, 'aliases (*name) are not accepted.', 'Write the value out.');
      this.unread.push(path);
      return this.scalar(null, '', position);
    }
    if (node.tag !== undefined) {
      this.report(position, path, 'tags (!name) are not accepted.', 'Remove the tag.');
      if (isScalar(node)) this.unread.push(path);
    }
    if (depth > DEEPEST) {
      this.isTooDeep = true;
      this.report(position, path, 'the nesting is too deep.');
      return this.scalar(null, '', position);
    }
    if (isMap<ParsedNode, ParsedNode | null>(node)) return this.map(node.items, path, depth, position);
    if (isSeq<ParsedNode>(node)) {
      const items = node.items.map((item, index) => this.node(item, `${path}[${index}]`, depth + 1));
      return { kind: 'list', items, origin: this.at(position) };
    }
    return this.scalar(node.value, node.source, position);
  }

  private map(pairs: readonly Pair[], path: string, depth: number, position: number): SourceNode {
    const entries = new Map<string, MapEntry>();
    for (const pair of pairs) {
      const keyAt = pair.key.range[0];
      if (!isScalar(pair.key)) {
        this.report(keyAt, path, 'a key must be a plain word. A value that starts with { or [ needs quotes.');
        continue;
      }
      const key = typeof pair.key.value === 'string' ? pair.key.value : pair.key.source;
      const keyPath = path === '' ? key : `${path}.${key}`;
      const earlier = entries.get(key);
      if (earlier !== undefined) {
        const line = earlier.origin.kind === 'file' ? earlier.origin.line : 0;
        this.report(keyAt, keyPath, `${quoted(key)} is here twice, first in line ${line}.`, 'Keep one of them.');
        continue;
      }
      const value = pair.value === null ? this.scalar(null, '', keyAt) : this.node(pair.value, keyPath, depth + 1);
      entries.set(key, { key, origin: this.at(keyAt), value });
    }
    return { kind: 'map', entries: [...entries.values()], origin: this.at(position) };
  }

  private scalar(value: unknown, source: string, position: number): ScalarNode {
    const kept = typeof value === 'string' || typeof value === 'number' || typeof value === 'boolean' ? value : null;
    const text = typeof kept === 'string' ? kept : source;
    return { kind: 'scalar', value: kept, text, coercible: false, variables: [], origin: this.at(position) };
  }

  private emptyMap(): SourceNode {
    return { kind: 'map', entries: [], origin: this.at(0) };
  }

  private at(position: number): Extract<Origin, { kind: 'file' }> {
    const { line, col } = this.lines.linePos(position);
    return { kind: 'file', file: this.file, line: Math.max(1, line), column: Math.max(1, col) };
  }

  private reportSyntax(code: string, position: number): void {
    const origin = this.at(position);
    const sameLine = this.problems.some((p) => p.origin.kind === 'file' && p.origin.line === origin.line);
    const exhausted = code !== 'MULTIPLE_DOCS' && this.problems.length >= MOST_SYNTAX_PROBLEMS;
    if (sameLine || exhausted) return;
    const line = this.text.split('\n', origin.line)[origin.line - 1] ?? '';
    const brace = /[[{].*\$\{/.test(line);
    const suggestion = brace ? 'Inside [ ] and { } a variable needs quotes: "${NAME}".' : null;
    this.report(position, '', `not valid YAML: ${SYNTAX_TEXTS[code] ?? 'this text is not expected here.'}`, suggestion);
  }

  private report(position: number, key: string, message: string, suggestion: string | null = null): void {
    this.problems.push({ origin: this.at(position), key, message, suggestion });
  }
}

interface Pair {
  readonly key: ParsedNode;
  readonly value: ParsedNode | null;
}
