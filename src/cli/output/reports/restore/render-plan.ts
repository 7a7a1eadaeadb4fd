// The restore plan and its preflight as validate-restore prints them. An estimate is marked with `~`, an upper bound with `<=`, and `?`
// stands for what only reading tells; what has no mark, is exact.

import { utcText } from '../../../../model/instant.ts';
import type {
  PlanSummary,
  PlannedAmount,
  PlannedCount,
  PlannedDrops,
  PlannedPartition,
  PlannedTopic,
} from '../../../../restore/restore-job.ts';
import { formatBytes, formatCount, formatDuration } from '../../format-quantities.ts';
import { renderTable } from '../../render-table.ts';
import { describeTarget } from '../../../input/restore-flags.ts';
import { printable } from '../../terminal.ts';
import { outsideLogLines } from './outside-log.ts';

/** What bounds the speed of a restore; null: no limit that is known. */
export interface RestoreLimits {
  readonly recordsPerSecond: number | null;
  /** Of record batches sent. */
  readonly bytesPerSecond: number | null;
  /** Of stored bytes read. */
  readonly bytesReadPerSecond: number | null;
}

export interface PlanView {
  readonly backupId: string;
  readonly target: string;
  readonly limits: RestoreLimits;
  /** Every partition, however many there are. */
  readonly isDetailed: boolean;
}

export interface PlanEstimate {
  readonly records: number;
  readonly isExact: boolean;
  readonly bytesToRead: number;
  /** At the limits; null where there is none. */
  readonly seconds: number | null;
}

/** Beyond these a plan shows topics only. */
const MOST_PARTITIONS = 40;
const GAPS_SHOWN = 3;
const MARKS: Readonly<Record<Exclude<PlannedCount['kind'], 'unknown'>, string>> = {
  exact: '',
  'at-most': '<=',
  estimated: '~',
};
const BOUNDS_LEGEND = 'Dropped  <= at most so many; ? known once the records are read';

/** How much the whole plan moves, and how long that takes at least. */
export function estimateRestore({ topics }: PlanSummary, limits: RestoreLimits): PlanEstimate {
  const sum = (of: (topic: PlannedTopic) => number): number => topics.reduce((total, one) => total + of(one), 0);
  const records = sum((topic) => topic.records);
  const bytesToRead = sum((topic) => topic.bytesToRead);
  const needed = [
    [records, limits.recordsPerSecond],
    [sum(bytesToSend), limits.bytesPerSecond],
    [bytesToRead, limits.bytesReadPerSecond],
  ] as const;
  const seconds = needed.flatMap(([amount, perSecond]) => (perSecond === null ? [] : [amount / perSecond]));
  return {
    records,
    isExact: topics.every(({ isExact }) => isExact),
    bytesToRead,
    seconds: seconds.length === 0 ? null : Math.max(...seconds),
  };
}

/** As stored, which is seldom more than is sent. A window reads frames whole, and sends only what it wants of them. */
function bytesToSend({ records, dropped, storedBytes, bytesToRead }: PlannedTopic): number {
  const left = Object.values(dropped).reduce((all, count) => all + (count.kind === 'unknown' ? 0 : count.records), 0);
  return Math.min(bytesToRead, storedBytes * (records / Math.max(1, records + left)));
}

export function renderPlan(plan: PlanSummary, { backupId, target, limits, isDetailed }: PlanView): string {
  const partitions = plan.topics.reduce((total, topic) => total + topic.partitionPlans.length, 0);
  const showsPartitions = isDetailed || partitions <= MOST_PARTITIONS;
  const count = (level: string): number => plan.checks.filter((check) => check.level === level).length;
  return [
    `Restore plan ${plan.planId}   backup ${backupId} at version ${plan.catalogVersion} -> ${target}`,
    `Recovery target  ${describeTarget(plan.recoveryTarget)}`,
    renderTable(
      ['TOPIC', 'PARTS', 'TARGET', 'RECORDS', 'READ', 'FROM', 'TO', 'DROPPED', 'NOTES'],
      plan.topics.map((topic) => topicRow(topic, plan)),
    ),
    showsPartitions ? partitionTable(plan.topics) : `${partitions} partitions; -v shows them, --json lists them`,
    ...(plan.topics.some(({ dropped }) => hasBound(dropped)) ? [BOUNDS_LEGEND] : []),
    ...outsideLogLines(plan, ({ dropped }) => isOutside(dropped)),
    totalLine(estimateRestore(plan, limits)),
    `Checks  ok ${count('ok')}   warn ${count('warn')}   block ${count('block')}`,
    ...plan.checks.map(({ level, name, message }) => `  ${level.padEnd(5)} ${name}: ${printable(message)}`),
  ].join('\n');
}

function topicRow(topic: PlannedTopic, { recoveryTarget }: PlanSummary): string[] {
  const isOwn = describeTarget(topic.recoveryTarget) !== describeTarget(recoveryTarget);
  const notes = [
    ...(isOwn ? [describeTarget(topic.recoveryTarget)] : []),
    ...(topic.gaps === 0 ? [] : [`${topic.gaps} gap(s)`]),
  ];
  const target = `${printable(topic.targetTopic)} (${topic.action}, ${topic.targetPartitions} partitions)`;
  return [printable(topic.topic), String(topic.partitions), target, ...amountCells(topic), notes.join(', ')];
}

function partitionTable(topics: readonly PlannedTopic[]): string {
  const heads = ['PARTITION', 'TARGET', 'OFFSETS', 'RECORDS', 'READ', 'FROM', 'TO', 'DROPPED', 'GAPS'];
  const rows = topics.flatMap((topic) => topic.partitionPlans.map((partition) => partitionRow(topic, partition)));
  return renderTable(heads, rows);
}

function partitionRow(topic: PlannedTopic, planned: PlannedPartition): string[] {
  const { partition, targetPartitions, firstOffset, nextOffset, gaps } = planned;
  const [first] = targetPartitions;
  const target = targetPartitions.length === 1 ? String(first) : `by key over ${targetPartitions.length}`;
  const offsets = firstOffset === null || nextOffset === null ? '-' : `${firstOffset}..${nextOffset - 1n}`;
  const shown = gaps.slice(0, GAPS_SHOWN).map(({ baseOffset, lastOffset }) => `${baseOffset}..${lastOffset}`);
  const more = gaps.length > GAPS_SHOWN ? ` and ${gaps.length - GAPS_SHOWN} more` : '';
  return [
    `${printable(topic.topic)}/${partition}`,
    targetPartitions.length === 1 ? `${printable(topic.targetTopic)}/${target}` : target,
    offsets,
    ...amountCells(planned),
    `${shown.join(' ')}${more}`,
  ];
}

/** Records, bytes to read, from, to, dropped. */
function amountCells({ records, isExact, bytesToRead, fromMs, toMs, dropped }: PlannedAmount): string[] {
  return [
    `${isExact ? '' : '~'}${formatCount(records)}`,
    formatBytes(bytesToRead),
    timestampText(fromMs),
    timestampText(toMs),
    droppedText(dropped),
  ];
}

/** Unlike an instant, a timestamp may be beyond any date. */
function timestampText(timestampMs: number | null): string {
  return timestampMs === null ? '-' : utcText(timestampMs);
}

/** By the reasons' names, as in the report. */
function droppedText(dropped: PlannedDrops): string {
  const texts = Object.entries(dropped).flatMap(([reason, count]) => {
    if (count.kind === 'unknown') return [`? ${reason}`];
    return count.records === 0 ? [] : [`${MARKS[count.kind]}${formatCount(count.records)} ${reason}`];
  });
  return texts.length === 0 ? '0' : texts.join(', ');
}

function isOutside({ 'outside-window': outside }: PlannedDrops): boolean {
  return outside.kind !== 'unknown' && outside.records > 0;
}

function hasBound(dropped: PlannedDrops): boolean {
  return Object.values(dropped).some(({ kind }) => kind === 'at-most' || kind === 'unknown');
}

function totalLine({ records, isExact, bytesToRead, seconds }: PlanEstimate): string {
  const what = isExact ? `${formatCount(records)} records` : `about ${formatCount(records)} records (~: estimated)`;
  const time = seconds === null ? '' : `   at least ${formatDuration(seconds)}`;
  return `Restores ${what}   reads ${formatBytes(bytesToRead)}${time}`;
}
