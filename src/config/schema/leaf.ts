// How a key is written down in the schema. A leaf is a convict schema object (doc, format, default, env, sensitive, nullable)
// with what else this project says about a key: unit, bounds, status. The builders tie each format to its TypeScript type,
// so the type of the whole configuration follows from the schema.

import {
  ASSIGNMENT,
  BROKERS,
  HOST_NAMES,
  OPAQUE,
  PARTITION_MAP,
  PARTITIONS,
  START_OFFSET,
  TEXT_MAP,
  TEXTS,
  TOPIC_PATTERNS,
} from '../formats/collection-formats.ts';
import type { Format, FormatFacts } from '../formats/format.ts';
import { BYTES, COUNT, DURATION_MS, DURATION_SECS } from '../formats/number-formats.ts';
import { OFFSETS, REPARTITIONING, TOPIC_CONFIGS, TOPIC_MAP, TOPIC_TARGETS } from '../formats/restore-formats.ts';
import {
  ACCOUNT_KEY,
  BACKUP_ID,
  CHOICE,
  FLAG,
  HTTP_URL,
  INSTANT,
  LISTEN,
  PATH,
  REGEX,
  TEXT,
  TIME_ZONE,
  URL_PATH,
} from '../formats/text-formats.ts';

/** Accepted for compatibility: the text says what happens instead. Silent when the value is `quietWhen` anyway. */
interface NoticeStatus {
  readonly kind: 'notice';
  readonly text: string;
  readonly quietWhen?: unknown;
}

/** Part of a later version: any value but the default is an error with this text. */
interface UnavailableStatus {
  readonly kind: 'unavailable';
  readonly text: string;
}

export type LeafStatus = NoticeStatus | UnavailableStatus;

/** One key. `default` null with `required` means that the operator must give it. */
export interface Leaf<T> extends FormatFacts {
  readonly doc: string;
  readonly format: string;
  readonly default: T;
  readonly nullable: boolean;
  readonly unit?: string;
  readonly required?: boolean;
  readonly status?: LeafStatus;
  /** Other key for the same thing, in the same section. */
  readonly alias?: string;
  /** Storage backends that the key belongs to; absent for all. */
  readonly backends?: readonly string[];
  /** What the default stands for, where the value itself does not say it. */
  readonly defaultText?: string;
  /** The environment variable, filled in from the path; absent for maps. */
  readonly env?: string;
}

export interface Section {
  readonly [key: string]: Section | Leaf<unknown>;
}

/** The values that a schema describes, with the schema's own key names. */
export type ValuesOf<S> = S extends Leaf<infer T> ? T : { readonly [K in keyof S]: ValuesOf<S[K]> };

export function isLeaf(node: Section | Leaf<unknown>): node is Leaf<unknown> {
  return typeof node.doc === 'string' && 'default' in node;
}

/**
 * True where a key without a value stands for its default: where that is null, and for lists and maps, of which the file may hold
 * only the key, with comments below.
 */
export function mayBeEmpty(leaf: Leaf<unknown>): boolean {
  const isCollection = Array.isArray(leaf.default) || leaf.default instanceof Map;
  return isCollection || (leaf.nullable && leaf.required !== true);
}

/** The format of a leaf. */
export function formatOf(leaf: Leaf<unknown>): Format<unknown> {
  const format = FORMATS.get(leaf.format);
  if (format === undefined) throw new Error(`invariant broken: no format ${leaf.format}`);
  return format;
}

export const count = builder(COUNT);
export const bytes = builder(BYTES);
export const durationMs = builder(DURATION_MS);
export const durationSecs = builder(DURATION_SECS);
export const flag = builder(FLAG);
export const text = builder(TEXT);
export const path = builder(PATH);
export const accountKey = builder(ACCOUNT_KEY);
export const httpUrl = builder(HTTP_URL);
export const urlPath = builder(URL_PATH);
export const backupId = builder(BACKUP_ID);
export const listen = builder(LISTEN);
export const instant = builder(INSTANT);
export const brokers = builder(BROKERS);
export const hostNames = builder(HOST_NAMES);
export const topicPatterns = builder(TOPIC_PATTERNS);
export const texts = builder(TEXTS);
export const partitions = builder(PARTITIONS);
export const timeZone = builder(TIME_ZONE);
export const regex = builder(REGEX);
export const textMap = builder(TEXT_MAP);
export const topicMap = builder(TOPIC_MAP);
export const topicTargets = builder(TOPIC_TARGETS);
export const offsets = builder(OFFSETS);
export const repartitioning = builder(REPARTITIONING);
export const topicConfigs = builder(TOPIC_CONFIGS);
export const partitionMap = builder(PARTITION_MAP);
export const opaque = builder(OPAQUE);
export const startOffset = builder(START_OFFSET);
export const assignment = builder(ASSIGNMENT);

/** One of the given words. */
export function choice<const V extends string, D extends V | null>(
  values: readonly V[],
  options: LeafOptions<D>,
): Leaf<Filled<V, D>> {
  const leaf = { ...options, values, format: CHOICE.name, nullable: options.default === null };
  return leaf as unknown as Leaf<Filled<V, D>>;
}

/** Every format by name, for convict and for those who read leaves. */
export const FORMATS: ReadonlyMap<string, Format<unknown>> = new Map(
  [
    ...[
      COUNT,
      BYTES,
      DURATION_MS,
      DURATION_SECS,
      FLAG,
      TEXT,
      PATH,
      ACCOUNT_KEY,
      HTTP_URL,
      URL_PATH,
      BACKUP_ID,
      LISTEN,
      INSTANT,
      CHOICE,
    ],
    ...[TIME_ZONE, REGEX, TOPIC_TARGETS, OFFSETS, REPARTITIONING, TOPIC_CONFIGS],
    ...[
      BROKERS,
      HOST_NAMES,
      TOPIC_PATTERNS,
      TEXTS,
      PARTITIONS,
      TEXT_MAP,
      TOPIC_MAP,
      PARTITION_MAP,
      OPAQUE,
      START_OFFSET,
      ASSIGNMENT,
    ],
  ].map((format) => [format.name, format as Format<unknown>]),
);

type LeafOptions<D> = Omit<Leaf<D>, 'format' | 'nullable' | 'env'>;
type Filled<T, D> = null extends D ? T | null : T;

function builder<T>(format: Format<T>): <D extends T | null>(options: LeafOptions<D>) => Leaf<Filled<T, D>> {
  return <D extends T | null>(options: LeafOptions<D>) => {
    const leaf = { ...options, format: format.name, nullable: options.default === null };
    return leaf as unknown as Leaf<Filled<T, D>>;
  };
}
