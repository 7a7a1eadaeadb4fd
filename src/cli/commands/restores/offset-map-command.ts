// `kafka-backup offset-map`: where the records of a backup are since a restore, from the map that the restore has left in the
// store. For whoever has to move positions along, of consumers or of other systems, and for checking.

import type { Command } from 'commander';
import { BackupError } from '../../../model/errors.ts';
import type { ObjectLayout } from '../../../catalog/object-layout.ts';
import { isMapped, type MappedOffset, type MapSelection, OffsetMap } from '../../../restore/journal/offset-map.ts';
import type { ObjectStore } from '../../../storage/object-store.ts';
import { type CommandContext, type StoreFlags, withBackup, withStoreOptions } from '../../command-context.ts';
import { parseOffset, parsePartition } from '../../input/parse-numbers.ts';
import {
  MAP_FORMATS,
  type MapFormat,
  mapChunks,
  renderMappedOffset,
} from '../../output/reports/restore/render-offset-map.ts';

const NOT_RESTORED_EXIT_CODE = 10;

interface OffsetMapFlags extends StoreFlags {
  readonly topic?: string;
  readonly partition?: string;
  readonly format?: string;
  readonly sourceOffset?: string;
}

export function addOffsetMapCommand(program: Command, context: CommandContext): void {
  withStoreOptions(
    program
      .command('offset-map')
      .description('show where a restore has put the records of the backup')
      .argument('<restore-id>', 'the restore, as its summary names it'),
  )
    .option('--topic <topic>', 'only this topic, by its name in the backup or in the target')
    .option('--partition <number>', 'only records of this partition of the backup')
    .option('--source-offset <offset>', 'look one offset up: where its record is, or the next one that was restored')
    .option('--format <format>', `${MAP_FORMATS.join(', ')}; one line a run of consecutive offsets`)
    .action(async (restoreId: string, _options, command: Command) => {
      context.exit(await showOffsetMap(context, restoreId, command.optsWithGlobals<OffsetMapFlags>()));
    });
}

function showOffsetMap(context: CommandContext, restoreId: string, flags: OffsetMapFlags): Promise<number> {
  const format = formatOf(flags);
  const selection: MapSelection = {
    ...(flags.topic === undefined ? {} : { topic: flags.topic }),
    ...(flags.partition === undefined ? {} : { sourcePartition: partitionOf(flags.partition) }),
  };
  const sourceOffset = flags.sourceOffset === undefined ? null : parseOffset(flags.sourceOffset, '--source-offset');
  return withBackup(context, flags, async (store, layout) => {
    const map = await openMap(store, layout, restoreId);
    map.assertHolds(selection);
    if (sourceOffset !== null) {
      const found = await map.lookUp(selection, sourceOffset);
      return showMapped(context, found, format);
    }
    for await (const chunk of mapChunks(map, selection, format)) {
      if (!context.terminal.hasReader) break;
      await context.terminal.bytes(Buffer.from(chunk));
    }
    return 0;
  });
}

/** An offset whose record was not restored is told from one whose record was: scripts must not take the next one for it. */
function showMapped({ terminal }: CommandContext, found: MappedOffset, format: MapFormat): number {
  terminal.result(renderMappedOffset(found, format));
  return isMapped(found) ? 0 : NOT_RESTORED_EXIT_CODE;
}

async function openMap(store: ObjectStore, layout: ObjectLayout, restoreId: string): Promise<OffsetMap> {
  const map = await OffsetMap.open(store, layout, restoreId);
  if (map.kind === 'open') return map.map;
  if (map.kind === 'unfinished') {
    throw new BackupError(
      'RESTORE_CONFLICT',
      `restore ${restoreId} has not come to its end, and its map is written there: restore --resume ${restoreId}`,
    );
  }
  if (map.kind === 'given-up') {
    throw new BackupError(
      'USAGE_INVALID',
      `restore ${restoreId} was given up before its end and has no map: list --restores shows those that are complete`,
    );
  }
  throw new BackupError('RESTORE_NOT_FOUND', `backup ${layout.backupId} knows no restore ${restoreId}`);
}

function formatOf({ format, json }: OffsetMapFlags): MapFormat {
  if (format === undefined) return json ? 'json' : 'text';
  const known = MAP_FORMATS.find((one) => one === format);
  if (known === undefined) {
    throw new BackupError('USAGE_INVALID', `--format ${format} is not one of ${MAP_FORMATS.join(', ')}`);
  }
  return known;
}

function partitionOf(text: string): number {
  return parsePartition(text, '--partition');
}
