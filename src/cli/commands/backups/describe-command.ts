// `kafka-backup describe`: what one backup holds, topic by topic.

import type { Command } from 'commander';
import { outlineBackup } from '../../../inspection/backup-outline.ts';
import { findIncarnation, openStoredBackup } from '../../../inspection/stored-backup.ts';
import { toJson } from '../../../model/json-fields.ts';
import { type CommandContext, type StoreFlags, withBackup, withStoreOptions } from '../../command-context.ts';
import { backupJson } from '../../output/outline-json.ts';
import { renderOutline } from '../../output/reports/render-outline.ts';

interface DescribeFlags extends StoreFlags {
  readonly topic?: string;
  readonly partitions?: boolean;
}

export function addDescribeCommand(program: Command, context: CommandContext): void {
  withStoreOptions(
    program.command('describe').description('show what a backup holds: topics, sizes, restorable window, gaps'),
  )
    .option('-t, --topic <topic>', 'this topic only')
    .option('--partitions', 'the offsets of every partition; --json has them always')
    .action(async (_options, command: Command) => {
      await describe(context, command.optsWithGlobals<DescribeFlags>());
    });
}

function describe(context: CommandContext, flags: DescribeFlags): Promise<void> {
  const { topic, partitions, json } = flags;
  return withBackup(context, flags, async (store, layout) => {
    const backup = await openStoredBackup(store, layout, topic);
    if (topic !== undefined) findIncarnation(backup, topic, undefined);
    const outline = outlineBackup(backup, topic === undefined ? undefined : (one) => one === topic);
    const text = json ? toJson(backupJson(outline)) : renderOutline(outline, store.description, partitions === true);
    context.terminal.result(text);
  });
}
