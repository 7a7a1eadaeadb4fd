// The backup of a running agent as its control port answers it, and how `status` shows it.

import { BackupError } from '../../model/errors.ts';
import { JsonFields } from '../../model/json-fields.ts';
import { formatBytes, formatCount, formatDuration } from './format-quantities.ts';
import { renderTable } from './render-table.ts';
import { printable } from './terminal.ts';

export interface AgentPartition {
  readonly topic: string;
  readonly partition: number;
  readonly state: string;
  readonly committedOffset: string;
  readonly highWatermark: string | null;
  readonly lagRecords: number;
  readonly lagSeconds: number;
  readonly failure: string | null;
}

export interface AgentStore {
  readonly circuit: string;
  readonly concurrencyLimit: number;
  readonly failingForSeconds: number;
  readonly requests: number;
  readonly requestsPerStoredGib: number | null;
}

export interface AgentStatus {
  readonly id: string;
  readonly clusterId: string;
  readonly mode: string;
  readonly restorableFrom: string | null;
  readonly restorableTo: string | null;
  readonly lastCommitAt: string | null;
  readonly catalogVersion: number;
  readonly trouble: string | null;
  readonly missingTopics: readonly string[];
  /** Null where the store makes no requests over a network. */
  readonly store: AgentStore | null;
  readonly records: number;
  readonly storedBytes: number;
  readonly gaps: number;
  readonly partitions: readonly AgentPartition[];
}

/** @throws AGENT_UNREACHABLE when the answer is not that of an agent. */
export function decodeAgentStatus(answer: unknown, url: string): AgentStatus {
  const fields = new JsonFields(answer, `the answer of ${url}`, 'AGENT_UNREACHABLE');
  const restorable = fields.fields('restorable');
  const counters = fields.fields('since_start');
  return {
    id: fields.string('id'),
    clusterId: fields.string('cluster_id'),
    mode: fields.string('mode'),
    restorableFrom: nullableText(restorable, 'from'),
    restorableTo: nullableText(restorable, 'to'),
    lastCommitAt: nullableText(fields, 'last_commit_at'),
    catalogVersion: fields.integer('catalog_version'),
    trouble: nullableText(fields, 'trouble'),
    missingTopics: textsOf(answer, 'missing_topics', url),
    store: fields.has('store') ? decodeStore(fields.fields('store')) : null,
    records: counters.integer('records'),
    storedBytes: counters.integer('stored_bytes'),
    gaps: counters.integer('gaps'),
    partitions: fields.list('partitions').map((partition) => ({
      topic: partition.string('topic'),
      partition: partition.integer('partition'),
      state: partition.string('state'),
      committedOffset: partition.string('committed_offset'),
      highWatermark: nullableText(partition, 'high_watermark'),
      lagRecords: partition.integer('lag_records'),
      lagSeconds: partition.number('lag_seconds'),
      failure: nullableText(partition, 'failure'),
    })),
  };
}

function decodeStore(store: JsonFields): AgentStore {
  return {
    circuit: store.string('circuit'),
    concurrencyLimit: store.integer('concurrency_limit'),
    failingForSeconds: store.number('failing_for_seconds'),
    requests: store.integer('requests'),
    requestsPerStoredGib: store.has('requests_per_stored_gib') ? store.number('requests_per_stored_gib') : null,
  };
}

function nullableText(fields: JsonFields, name: string): string | null {
  return fields.has(name) ? fields.string(name) : null;
}

function textsOf(answer: unknown, name: string, url: string): readonly string[] {
  const value = (answer as Readonly<Record<string, unknown>>)[name];
  if (Array.isArray(value) && value.every((one): one is string => typeof one === 'string')) return value;
  throw new BackupError('AGENT_UNREACHABLE', `the answer of ${url}.${name} is not a list of names`);
}

function storeText({
  circuit,
  concurrencyLimit,
  failingForSeconds,
  requests,
  requestsPerStoredGib,
}: AgentStore): string {
  const state = circuit === 'open' ? `no answer for ${formatDuration(failingForSeconds)}` : 'answers';
  const perGib = requestsPerStoredGib === null ? '' : `, ${formatCount(requestsPerStoredGib)} per GiB stored`;
  return `${state}; ${formatCount(requests)} requests since start${perGib}; at most ${concurrencyLimit} at once`;
}

export function renderAgentStatus(status: AgentStatus, url: string): string {
  const { partitions, trouble, missingTopics } = status;
  const lagRecords = partitions.reduce((total, partition) => total + partition.lagRecords, 0);
  const lagSeconds = partitions.reduce((highest, partition) => Math.max(highest, partition.lagSeconds), 0);
  const rows = partitions.map((partition) => [
    printable(partition.topic),
    String(partition.partition),
    printable(partition.state),
    formatCount(partition.committedOffset),
    partition.highWatermark === null ? '-' : formatCount(partition.highWatermark),
    formatCount(partition.lagRecords),
    formatDuration(partition.lagSeconds),
    printable(partition.failure ?? ''),
  ]);
  const heads = ['TOPIC', 'PARTITION', 'STATE', 'COMMITTED', 'HIGH WATERMARK', 'LAG', 'LAG TIME', 'FAILURE'];
  return [
    `Backup ${printable(status.id)} (${printable(status.mode)}) of cluster ${printable(status.clusterId)}, agent at ${url}`,
    `  Restorable:   ${printable(status.restorableFrom ?? '-')} .. ${printable(status.restorableTo ?? '-')}`,
    `  Last commit:  ${printable(status.lastCommitAt ?? '-')}, catalog version ${status.catalogVersion}`,
    `  Since start:  ${formatCount(status.records)} records, ${formatBytes(status.storedBytes)} stored, ${formatCount(status.gaps)} gaps`,
    `  Lag:          ${formatCount(lagRecords)} records, ${formatDuration(lagSeconds)} over ${formatCount(partitions.length)} partitions`,
    ...(status.store === null ? [] : [`  Store:        ${storeText(status.store)}`]),
    ...(trouble === null ? [] : [`  Trouble:      ${printable(trouble)}`]),
    ...(missingTopics.length === 0 ? [] : [`  Missing:      ${missingTopics.map(printable).join(', ')}`]),
    '',
    partitions.length === 0 ? 'No partitions yet.' : renderTable(heads, rows),
  ].join('\n');
}
