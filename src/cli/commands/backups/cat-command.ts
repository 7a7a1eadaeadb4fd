// `kafka-backup cat`: stored records of one partition on stdout, as JSON lines or as the bare Kafka log. It shows what is
// stored, aborted transactions included. Memory is one frame and one chunk of output, however slow the reader is.

import type { Command } from 'commander';
import { PartitionExcerpt } from '../../../inspection/partition-excerpt.ts';
import { recordsOf } from '../../../inspection/stored-record.ts';
import { openStoredBackup } from '../../../inspection/stored-backup.ts';
import { BackupError } from '../../../model/errors.ts';
import type { ObjectStore } from '../../../storage/object-store.ts';
import { type CommandContext, type StoreFlags, withBackup, withStoreOptions } from '../../command-context.ts';
import { instantOf } from '../../input/parse-instant.ts';
import { parseCount, parseOffset, parseTopicPartition } from '../../input/parse-numbers.ts';
import { recordLine } from '../../output/record-line.ts';
import type { Terminal } from '../../output/terminal.ts';

const CHUNK_BYTES = 64 * 1024;

interface CatFlags extends StoreFlags {
  readonly from?: string;
  readonly to?: string;
  readonly fromTime?: string;
  readonly toTime?: string;
  readonly limit?: string;
  readonly topicId?: string;
  readonly raw?: boolean;
  readonly control?: boolean;
}

interface CatRequest {
  readonly fromOffset: bigint | undefined;
  readonly lastOffset: bigint | undefined;
  readonly fromMs: number | undefined;
  readonly toMs: number | undefined;
  readonly limit: number;
  readonly showsControl: boolean;
}

export function addCatCommand(program: Command, context: CommandContext): void {
  withStoreOptions(program.command('cat').description('print stored records of a partition, without restoring them'))
    .argument('<topic/partition>', 'such as orders/3')
    .option('--from <offset>', 'first offset')
    .option('--to <offset>', 'last offset, inclusive')
    .option(
      '--from-time <instant>',
      'only records with this timestamp or a later one: RFC 3339, epoch milliseconds, or -2h',
    )
    .option('--to-time <instant>', 'only records with this timestamp or an earlier one')
    .option('-n, --limit <count>', 'so many records at most')
    .option('--topic-id <id>', 'a former life of the topic; describe shows their ids')
    .option('--control', 'control records (ends of transactions) too')
    .option(
      '--raw',
      'the bare Kafka log instead: whole record batches, for kafka-dump-log; --limit ends with the batch',
    )
    .addHelpText(
      'after',
      '\nOne JSON object a line: topic, partition, offset, timestamp (epoch ms), timestamp_type, key, value, headers. Keys and values\n' +
        'are text where they are UTF-8, else {"base64": "..."}. cat shows what is stored, like a read_uncommitted consumer: records\n' +
        'of transactions carry the producer id as "transaction", whether or not they were committed.',
    )
    .action(async (name: string, _options, command: Command) => {
      await cat(context, name, command.optsWithGlobals<CatFlags>());
    });
}

function cat(context: CommandContext, name: string, flags: CatFlags): Promise<void> {
  const place = parseTopicPartition(name);
  const request = requestOf(flags, Date.now());
  const { terminal } = context;
  return withBackup(context, flags, async (store, layout) => {
    const backup = await openStoredBackup(store, layout, place.topic);
    const excerpt = PartitionExcerpt.open(backup, place, flags.topicId, request);
    for (const { baseOffset, lastOffset, reason } of excerpt.gaps) {
      terminal.say(
        `note: offsets ${baseOffset}..${lastOffset} of ${name} are a gap (${reason}): nothing of them is stored`,
      );
    }
    await (flags.raw === true ? catRaw : catRecords)(excerpt, store, request, terminal);
  });
}

/** @throws USAGE_INVALID for what cannot be read, and for ranges whose ends are the wrong way round. */
function requestOf(flags: CatFlags, nowMs: number): CatRequest {
  const { from, to, fromTime, toTime, limit, raw, control } = flags;
  const clock = { nowMs, timeZone: null };
  const request = {
    fromOffset: from === undefined ? undefined : parseOffset(from, '--from'),
    lastOffset: to === undefined ? undefined : parseOffset(to, '--to'),
    fromMs: fromTime === undefined ? undefined : instantOf(fromTime, '--from-time', clock),
    toMs: toTime === undefined ? undefined : instantOf(toTime, '--to-time', clock),
    limit: limit === undefined ? Number.POSITIVE_INFINITY : parseCount(limit, '--limit'),
    showsControl: control === true,
  };
  const { fromOffset, lastOffset, fromMs, toMs } = request;
  if (fromOffset !== undefined && lastOffset !== undefined && lastOffset < fromOffset) {
    throw new BackupError('USAGE_INVALID', `--to ${lastOffset} is before --from ${fromOffset}`);
  }
  if (fromMs !== undefined && toMs !== undefined && toMs < fromMs) {
    throw new BackupError('USAGE_INVALID', `--to-time ${toTime} is before --from-time ${fromTime}`);
  }
  if (raw === true && (fromMs !== undefined || toMs !== undefined)) {
    throw new BackupError('USAGE_INVALID', '--raw gives whole batches: choose them by --from and --to, not by time');
  }
  return request;
}

async function catRecords(
  excerpt: PartitionExcerpt,
  store: ObjectStore,
  request: CatRequest,
  terminal: Terminal,
): Promise<void> {
  const { fromMs = Number.NEGATIVE_INFINITY, toMs = Number.POSITIVE_INFINITY, limit, showsControl } = request;
  let left = limit;
  let lines: string[] = [];
  let characters = 0;
  const isDone = (): boolean => left === 0 || !terminal.hasReader;
  const flush = async (): Promise<void> => {
    await write(terminal, Buffer.from(lines.join('')));
    lines = [];
    characters = 0;
  };
  for await (const { raw, batches, fromOffset, endOffset } of excerpt.frames(store)) {
    for (const header of batches) {
      for (const record of recordsOf(raw, header)) {
        if (record.offset < fromOffset || record.offset >= endOffset || (record.isControl && !showsControl)) continue;
        if (record.timestamp < fromMs || record.timestamp > toMs) continue;
        const line = recordLine(excerpt.partition, record);
        lines.push(line);
        characters += line.length;
        left -= 1;
        if (characters >= CHUNK_BYTES) await flush();
        if (isDone()) break;
      }
      if (isDone()) break;
    }
    if (isDone()) break;
  }
  await flush();
}

/** Batches lie back to back in a frame, so what is wanted of it is one piece. */
async function catRaw(
  excerpt: PartitionExcerpt,
  store: ObjectStore,
  { limit }: CatRequest,
  terminal: Terminal,
): Promise<void> {
  let left = limit;
  for await (const { raw, batches } of excerpt.frames(store)) {
    const start = batches[0]?.position ?? 0;
    let end = start;
    for (const header of batches) {
      end = header.position + header.sizeBytes;
      left -= header.recordCount;
      if (left <= 0) break;
    }
    for (let from = start; from < end; from += CHUNK_BYTES) {
      await write(terminal, raw.subarray(from, Math.min(from + CHUNK_BYTES, end)));
    }
    if (left <= 0 || !terminal.hasReader) return;
  }
}

/** @throws INTERRUPTED between two chunks. */
async function write(terminal: Terminal, bytes: Uint8Array): Promise<void> {
  if (terminal.signals.stop.aborted) throw new BackupError('INTERRUPTED', 'cat was stopped');
  if (bytes.byteLength > 0) await terminal.bytes(bytes);
}
