// The offset map of a restore as text, JSON and CSV, in pieces: a map can be longer than memory should hold.

import { toJson } from '../../../../model/json-fields.ts';
import type { MappedOffset, MappedRun, MapSelection, OffsetMap } from '../../../../restore/journal/offset-map.ts';
import { formatCount, formatInstant } from '../../format-quantities.ts';
import { printable } from '../../terminal.ts';

export const MAP_FORMATS = ['text', 'json', 'csv'] as const;
export type MapFormat = (typeof MAP_FORMATS)[number];

const RUNS_A_CHUNK = 1000;
const CSV_HEAD = 'source_topic,source_partition,source_offset,target_topic,target_partition,target_offset,count';

export async function* mapChunks(map: OffsetMap, selection: MapSelection, format: MapFormat): AsyncGenerator<string> {
  switch (format) {
    case 'text':
      return yield* textChunks(map, selection);
    case 'csv':
      yield `${CSV_HEAD}\n`;
      for await (const runs of chunksOf(map.runs(selection))) yield `${runs.map(csvLine).join('\n')}\n`;
      return;
    case 'json':
      return yield* jsonChunks(map, selection);
  }
}

async function* textChunks(map: OffsetMap, selection: MapSelection): AsyncGenerator<string> {
  const { id, backupId, catalogVersion, finishedAtMs } = map.report;
  yield `Restore ${id}   backup ${backupId} at version ${catalogVersion}   complete ${formatInstant(finishedAtMs)}\n`;
  for await (const runs of chunksOf(map.runs(selection))) yield `${runs.map(textLine).join('\n')}\n`;
}

/** `orders/0 120..4119 -> orders-restored/0 0..3999 (4,000)` */
function textLine({ target, sourcePartition, firstSourceOffset, firstTargetOffset, count }: MappedRun): string {
  const last = BigInt(count) - 1n;
  const source = `${printable(target.sourceTopic)}/${sourcePartition} ${firstSourceOffset}..${firstSourceOffset + last}`;
  const placed = `${printable(target.topic)}/${target.partition} ${firstTargetOffset}..${firstTargetOffset + last}`;
  return `${source} -> ${placed} (${formatCount(count)})`;
}

function csvLine({ target, sourcePartition, firstSourceOffset, firstTargetOffset, count }: MappedRun): string {
  const { sourceTopic, topic, partition } = target;
  return [sourceTopic, sourcePartition, firstSourceOffset, topic, partition, firstTargetOffset, count].join(',');
}

async function* jsonChunks(map: OffsetMap, selection: MapSelection): AsyncGenerator<string> {
  const { id, backupId, planId, catalogVersion, clusterId, finishedAtMs } = map.report;
  const head = {
    restore: id,
    backup_id: backupId,
    plan_id: planId,
    catalog_version: catalogVersion,
    target_cluster_id: clusterId,
    finished_at: formatInstant(finishedAtMs),
  };
  yield `${toJson(head).slice(0, -1)},"runs":[`;
  let separator = '\n';
  for await (const runs of chunksOf(map.runs(selection))) {
    yield `${separator}${runs.map((run) => toJson(runJson(run))).join(',\n')}`;
    separator = ',\n';
  }
  yield ']}\n';
}

function runJson({ target, sourcePartition, firstSourceOffset, firstTargetOffset, count }: MappedRun): unknown {
  return {
    source_topic: target.sourceTopic,
    source_partition: sourcePartition,
    source_offset: firstSourceOffset,
    target_topic: target.topic,
    target_partition: target.partition,
    target_offset: firstTargetOffset,
    count,
  };
}

/** One offset that was looked up. */
export function renderMappedOffset({ source, at, next }: MappedOffset, format: MapFormat): string {
  const place = ({ topic, partition, offset }: { topic: string; partition: number; offset: bigint }): string =>
    `${printable(topic)}/${partition} offset ${offset}`;
  switch (format) {
    case 'text': {
      if (at !== null) return `${place(source)} -> ${place(at)}`;
      const following =
        next === null ? 'nor was any after it' : `the next that was is ${next.sourceOffset} -> ${place(next)}`;
      return `${place(source)} was not restored; ${following}`;
    }
    case 'csv': {
      const found = at ?? { topic: '', partition: '', offset: '' };
      const row = [source.topic, source.partition, source.offset, found.topic, found.partition, found.offset];
      return `${CSV_HEAD}\n${[...row, at === null ? 0 : 1].join(',')}`;
    }
    case 'json':
      return toJson({
        source,
        target: at,
        next:
          next === null
            ? null
            : { topic: next.topic, partition: next.partition, offset: next.offset, source_offset: next.sourceOffset },
      });
  }
}

async function* chunksOf(runs: AsyncIterable<MappedRun>): AsyncGenerator<readonly MappedRun[]> {
  let chunk: MappedRun[] = [];
  for await (const run of runs) {
    chunk.push(run);
    if (chunk.length < RUNS_A_CHUNK) continue;
    yield chunk;
    chunk = [];
  }
  if (chunk.length > 0) yield chunk;
}
