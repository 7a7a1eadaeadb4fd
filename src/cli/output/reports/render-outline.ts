// What a backup holds, as `describe` prints it for people.

import type {
  BackupOutline,
  IncarnationOutline,
  PartitionOutline,
  StoredTotals,
  StoreRequests,
  TopicOutline,
} from '../../../inspection/backup-outline.ts';
import { formatBytes, formatCount, formatInstant } from '../format-quantities.ts';
import { renderTable } from '../render-table.ts';
import { printable } from '../terminal.ts';

const MAX_GAPS_SHOWN = 20;

/** Of a backup that has data and not one commit. */
export const UNCOMMITTED =
  'WARNING: there is data and not one commit. Unless a first run is under way, or was killed before its first commit, the catalog was lost.';

export function renderOutline(outline: BackupOutline, store: string, showPartitions: boolean): string {
  const { backupId, clusterId, createdAtMs, catalogVersion, committedAtMs, totals, window, topics, requests } = outline;
  const lines = [
    `Backup ${backupId} in ${printable(store)}`,
    `  Cluster:        ${printable(clusterId)}`,
    `  Created:        ${formatInstant(createdAtMs)}`,
    `  Catalog:        version ${catalogVersion}, last commit ${formatInstant(committedAtMs)}`,
    `  Restorable:     ${formatInstant(window.fromMs)} .. ${formatInstant(window.toMs)}   newest capture ${formatInstant(window.newestCaptureMs)}`,
    `  Stored:         ${formatCount(totals.segments)} segments, ${formatCount(totals.records)} records, ${formatBytes(totals.rawBytes)} in ${formatBytes(totals.storedBytes)} (${ratio(totals)})`,
    `  Gaps:           ${gapText(totals)}`,
    ...(requests === null ? [] : [`  Requests:       ${requestsText(requests)}`]),
  ];
  if (outline.isUncommitted) return [...lines, '', UNCOMMITTED].join('\n');
  if (topics.length === 0) return [...lines, '', 'It holds no topic yet.'].join('\n');
  return [...lines, '', renderTopics(topics), ...topics.map((topic) => renderTopic(topic, showPartitions))].join('\n');
}

/** What the store charges for, restores by the same agent included. */
function requestsText({ total, perStoredGib, byOperation }: StoreRequests): string {
  const perGib = perStoredGib === null ? '' : `, ${formatCount(perStoredGib)} per stored GiB`;
  const operations = [...byOperation].map(([operation, count]) => `${printable(operation)} ${formatCount(count)}`);
  return `${formatCount(total)} to the store by the agents that wrote it${perGib} (${operations.join(', ')})`;
}

function renderTopics(topics: readonly TopicOutline[]): string {
  const rows = topics.map(({ topic, incarnations, totals, window }) => [
    printable(topic),
    String(incarnations.at(-1)?.observation?.partitions ?? incarnations.at(-1)?.partitions.length ?? 0),
    formatCount(totals.records),
    formatBytes(totals.rawBytes),
    formatBytes(totals.storedBytes),
    ratio(totals),
    formatInstant(window.fromMs),
    formatInstant(window.toMs),
    formatInstant(window.newestCaptureMs),
    notes(incarnations, totals),
  ]);
  const heads = ['TOPIC', 'PARTS', 'RECORDS', 'RAW', 'STORED', 'RATIO', 'FROM', 'TO', 'NEWEST CAPTURE', 'NOTES'];
  return renderTable(heads, rows);
}

function renderTopic({ topic, incarnations }: TopicOutline, showPartitions: boolean): string {
  const lives = incarnations.flatMap((life) => renderIncarnation(life, showPartitions));
  return ['', `Topic ${printable(topic)}`, ...lives.map((line) => `  ${line}`)].join('\n');
}

function renderIncarnation(life: IncarnationOutline, showPartitions: boolean): string[] {
  const { topicId, isNewest, observation, firstObservedAtMs, partitions } = life;
  const former = isNewest ? '' : ', a former life of the topic';
  const observed =
    observation === null
      ? 'never described'
      : `${observation.partitions} partitions, replication factor ${observation.replicationFactor}, as of ${formatInstant(observation.observedAtMs)}`;
  const configs = Object.entries(observation?.configs ?? {});
  const gaps = partitions.flatMap((partition) => partition.gaps);
  const truncations = partitions.flatMap((partition) => partition.truncations);
  return [
    `id ${printable(topicId)}${former}: ${observed}; first seen ${formatInstant(firstObservedAtMs)}`,
    ...(observation !== null && observation.configs === null ? ['configs could not be read'] : []),
    ...configs.map(([name, value]) => `config ${printable(name)} = ${printable(value)}`),
    ...gaps
      .slice(0, MAX_GAPS_SHOWN)
      .map(
        ({ partition, baseOffset, lastOffset, reason, detectedAtMs }) =>
          `gap in partition ${partition}: offsets ${baseOffset}..${lastOffset} (${reason}), found ${formatInstant(detectedAtMs)}`,
      ),
    ...(gaps.length > MAX_GAPS_SHOWN
      ? [`... and ${gaps.length - MAX_GAPS_SHOWN} gaps more; --json lists them all`]
      : []),
    ...truncations.map(
      ({ partition, endOffset, timeline, detectedAtMs }) =>
        `partition ${partition} was cut back to offset ${endOffset} at the source: timeline ${timeline}, found ${formatInstant(detectedAtMs)}`,
    ),
    ...(showPartitions && partitions.length > 0 ? renderPartitions(partitions).split('\n') : []),
  ];
}

export function renderPartitions(partitions: readonly PartitionOutline[]): string {
  const rows = partitions.map(({ partition, firstOffset, nextOffset, timeline, totals, window }) => [
    String(partition),
    String(firstOffset ?? '-'),
    String(nextOffset ?? '-'),
    String(timeline),
    formatCount(totals.records),
    formatBytes(totals.storedBytes),
    formatInstant(window.fromMs),
    formatInstant(window.toMs),
    totals.gaps === 0 ? '' : gapText(totals),
  ]);
  const heads = ['PARTITION', 'FIRST OFFSET', 'NEXT OFFSET', 'TIMELINE', 'RECORDS', 'STORED', 'FROM', 'TO', 'GAPS'];
  return renderTable(heads, rows);
}

/** How many times smaller the store holds it. */
export function ratio({ rawBytes, storedBytes }: StoredTotals): string {
  return storedBytes === 0 ? '-' : `${(rawBytes / storedBytes).toFixed(1)}x`;
}

export function gapText({ gaps, gapOffsets }: StoredTotals): string {
  return gaps === 0 ? 'none' : `${gaps} gap(s), ${formatCount(gapOffsets)} offsets`;
}

function notes(incarnations: readonly IncarnationOutline[], totals: StoredTotals): string {
  const truncations = incarnations.flatMap(({ partitions }) =>
    partitions.flatMap((partition) => partition.truncations),
  );
  return [
    ...(incarnations.length > 1 ? [`${incarnations.length} lives`] : []),
    ...(totals.gaps > 0 ? [gapText(totals)] : []),
    ...(truncations.length > 0 ? [`${truncations.length} truncation(s)`] : []),
  ].join('; ');
}
