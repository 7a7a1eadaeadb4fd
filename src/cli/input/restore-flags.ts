// The flags of restore and validate-restore: how they change what the configuration asks for. Everything relative is resolved here,
// so that the request means the same whenever it is carried out.

import type { Command } from 'commander';
import { BackupError } from '../../model/errors.ts';
import { isTimeZone, utcText } from '../../model/instant.ts';
import type { Cut, RecoveryTarget } from '../../model/restore/recovery-target.ts';
import { overrideTarget, type PartitionOffsets, type TargetOverride } from '../../model/restore/restore-shape.ts';
import { isTopicName, partitionName } from '../../model/topic/topic-partition.ts';
import type { RestoreRequest } from '../../restore/restore-job.ts';
import { instantOf } from './parse-instant.ts';
import { parseCount, parseOffset, parseTopicPartition } from './parse-numbers.ts';

export interface TargetFlags {
  readonly from?: readonly string[];
  readonly to?: readonly string[];
  readonly cut?: string;
  readonly tz?: string;
  readonly offsets?: readonly string[];
  readonly catalogVersion?: string;
  readonly dryRun?: boolean;
}

/** What the configuration asks for. */
export interface ConfiguredRestore {
  /** Its `topicTargets` are empty: they follow from `topicTargets` here once the flags are known. */
  readonly request: RestoreRequest;
  readonly topicTargets: ReadonlyMap<string, TargetOverride>;
  readonly timeZone: string | null;
}

const LATEST = 'latest';

export function addTargetOptions(command: Command): Command {
  const collect = (value: string, all: readonly string[] = []): readonly string[] => [...all, value];
  return command
    .option(
      '--to <[topic=]instant>',
      'restore up to this instant, inclusive: RFC 3339, "2026-11-20 03:00" with --tz, epoch milliseconds, -2h, or latest; again with TOPIC= for single topics',
      collect,
    )
    .option('--from <[topic=]instant>', 'restore from this instant on, inclusive', collect)
    .option(
      '--tz <zone>',
      'time zone of --from and --to without one, such as Europe/Berlin; restore.time_zone unless given',
    )
    .option('--cut <how>', 'timestamp: exactly the records inside; log: up to the first record past --to')
    .option(
      '--offsets <topic/partition=range>',
      'offsets of the backup to restore: orders/0=1234 is all below 1234; orders/0=100..1234 begins with 100; again for others',
      collect,
    )
    .option('--catalog-version <n>', 'restore what the backup held at this version of its catalog');
}

/** True when a flag says what to restore, which a plan or an unfinished restore says already. */
export function saysWhat({ from, to, cut, tz, offsets, catalogVersion }: TargetFlags): boolean {
  return [from, to, cut, tz, offsets, catalogVersion].some((flag) => flag !== undefined);
}

/** @throws USAGE_INVALID naming the flag. */
export function requestOf(configured: ConfiguredRestore, flags: TargetFlags, nowMs: number): RestoreRequest {
  const { request } = configured;
  const timeZone = flags.tz ?? configured.timeZone;
  if (timeZone !== null && !isTimeZone(timeZone)) {
    throw invalid(`--tz ${JSON.stringify(timeZone)} is not a time zone; an example is Europe/Berlin`);
  }
  const ends = { from: endsOf(flags.from, '--from'), to: endsOf(flags.to, '--to') };
  const overrideFor = (topic: string): TargetOverride => {
    const instant = (flag: 'from' | 'to'): number | null | undefined => {
      const text = ends[flag].get(topic);
      if (text === undefined) return undefined;
      if (text === LATEST && flag === 'to') return null;
      return instantOf(text, `--${flag}`, { nowMs, timeZone });
    };
    const [fromMs, toMs] = [instant('from'), instant('to')];
    return { ...(fromMs === undefined ? {} : { fromMs }), ...(toMs === undefined ? {} : { toMs }) };
  };
  const cut = flags.cut === undefined ? {} : { cut: cutOf(flags.cut) };
  const recoveryTarget = overrideTarget(request.recoveryTarget, { ...overrideFor(EVERY_TOPIC), ...cut });
  const topics = new Set([...configured.topicTargets.keys(), ...ends.from.keys(), ...ends.to.keys()]);
  topics.delete(EVERY_TOPIC);
  const topicTargets = [...topics].map((topic): [string, RecoveryTarget] => {
    const override = { ...configured.topicTargets.get(topic), ...overrideFor(topic) };
    return [topic, overrideTarget(recoveryTarget, override)];
  });
  return {
    ...request,
    recoveryTarget,
    topicTargets: Object.fromEntries(topicTargets),
    offsets: offsetsOf(request.offsets, flags.offsets ?? []),
    catalogVersion:
      flags.catalogVersion === undefined
        ? request.catalogVersion
        : parseCount(flags.catalogVersion, '--catalog-version'),
    dryRun: flags.dryRun === true || request.dryRun,
  };
}

/** The resolved recovery target in words, with instants in UTC. */
export function describeTarget({ fromMs, toMs, cut }: RecoveryTarget): string {
  const until = toMs === undefined ? LATEST : utcText(toMs);
  const how = toMs === undefined || cut === 'timestamp' ? '' : ' (cut: log)';
  return `${fromMs === undefined ? until : `${utcText(fromMs)} to ${until}`}${how}`;
}

/** One line for each target that a request has. */
export function describeTargets({ recoveryTarget, topicTargets, catalogVersion, offsets }: RestoreRequest): string[] {
  const limits = offsets.map(
    (one) =>
      `recovery target of ${partitionName(one)}: offsets ${one.fromOffset ?? ''}..${one.toOffset ?? ''} (end exclusive)`,
  );
  return [
    `recovery target: ${describeTarget(recoveryTarget)}`,
    ...Object.entries(topicTargets).map(([topic, target]) => `recovery target of ${topic}: ${describeTarget(target)}`),
    ...limits,
    ...(catalogVersion === null ? [] : [`catalog version: ${catalogVersion}`]),
  ];
}

/** In {@link endsOf}, what is said of all topics; no topic has that name. */
const EVERY_TOPIC = '';

/** By topic, what was written behind `=`. */
function endsOf(values: readonly string[] | undefined, flag: string): ReadonlyMap<string, string> {
  const ends = new Map<string, string>();
  for (const value of values ?? []) {
    const equals = value.indexOf('=');
    const topic = value.slice(0, Math.max(0, equals));
    if (equals >= 0 && !isTopicName(topic)) throw invalid(`${flag} ${JSON.stringify(value)}: no topic has that name`);
    if (ends.has(topic)) throw invalid(`${flag} is given twice${topic === EVERY_TOPIC ? '' : ` for ${topic}`}`);
    ends.set(topic, value.slice(equals + 1));
  }
  return ends;
}

function cutOf(text: string): Cut {
  if (text === 'timestamp' || text === 'log') return text;
  throw invalid(`--cut ${JSON.stringify(text)} is not known; write timestamp or log`);
}

/** Flags take the place of what the configuration says of the same partition. */
function offsetsOf(configured: readonly PartitionOffsets[], values: readonly string[]): readonly PartitionOffsets[] {
  const offsets = new Map(configured.map((one) => [partitionName(one), one]));
  const seen = new Set<string>();
  for (const value of values) {
    const given = offsetRange(value);
    const name = partitionName(given);
    if (seen.has(name)) throw invalid(`--offsets is given twice for ${given.topic}/${given.partition}`);
    seen.add(name);
    offsets.set(name, given);
  }
  return [...offsets.values()];
}

function offsetRange(value: string): PartitionOffsets {
  const [, place, from, dots, to] = /^([^=]+)=(\d*)(\.\.)?(\d*)$/.exec(value) ?? [];
  if (place === undefined || (from === '' && to === '') || (dots === undefined && from === '')) {
    throw invalid(
      `--offsets ${JSON.stringify(value)} is not understood; write orders/0=1234, orders/0=100..1234 or orders/0=100..`,
    );
  }
  const offset = (text: string | undefined): bigint | null =>
    text === undefined || text === '' ? null : parseOffset(text, '--offsets');
  const ends =
    dots === undefined
      ? { fromOffset: null, toOffset: offset(from) }
      : { fromOffset: offset(from), toOffset: offset(to) };
  return { ...parseTopicPartition(place), ...ends };
}

function invalid(message: string): BackupError {
  return new BackupError('USAGE_INVALID', message);
}
