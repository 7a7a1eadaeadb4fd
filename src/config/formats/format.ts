// What a format is: how one kind of value is read, judged, shown and described. Formats replace convict's own, which turn
// "12MB" into 12 without an error. Everything that is printed about a kind of value comes from here.

import type { Origin } from '../problems.ts';
import { called, type ScalarNode, type SourceNode } from '../input/source-node.ts';

/** The parts of a key's definition that its format looks at. Bounds are inclusive and in the key's unit. */
export interface FormatFacts {
  readonly min?: number;
  readonly max?: number;
  /** The accepted words of a choice. */
  readonly values?: readonly string[];
  /** Other spellings of those words. */
  readonly aliases?: Readonly<Record<string, string>>;
  /** The words and their other spellings may be written in capitals. */
  readonly anyCase?: boolean;
  /** Words that deserve their own answer, such as mechanisms that are not supported. */
  readonly refused?: Readonly<Record<string, string>>;
  readonly sensitive?: boolean;
}

/** Adds a problem at a place inside the value. */
export type Report = (origin: Origin, message: string, suggestion?: string) => void;

/** A draft-07 schema. */
export type JsonSchema = Readonly<Record<string, unknown>>;

export interface Format<T> {
  readonly name: string;
  /** For the reference: `integer, 1 to 22`. */
  describe(facts: FormatFacts): string;
  /** The value, or undefined after at least one report. Never called for null. */
  parse(node: SourceNode, facts: FormatFacts, report: Report): T | undefined;
  /** Judges a finished value or a default. */
  holds(value: unknown, facts: FormatFacts): boolean;
  /** The value as it would be written in the file. */
  show(value: T): string;
  /** What an editor may accept. */
  jsonSchema(facts: FormatFacts): JsonSchema;
}

/** Any text with a variable in it: an editor cannot know what it stands for. */
export const VARIABLE_SCHEMA: JsonSchema = { type: 'string', pattern: '\\$\\{[A-Za-z_][A-Za-z0-9_]*(:-[^}]*)?\\}' };

/** The node when it is a single value; otherwise reports that it should be one. */
export function scalarOf(node: SourceNode, wanted: string, report: Report): ScalarNode | undefined {
  if (node.kind === 'scalar') return node;
  report(node.origin, `this must be ${wanted}, not ${called(node)}.`);
  return undefined;
}

/** The name of a value for a message; secrets are never quoted. */
export function nameOf(node: SourceNode, facts: FormatFacts): string {
  return facts.sensitive === true ? 'the value' : called(node);
}
