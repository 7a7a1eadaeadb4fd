// `kafka-backup status`: how a running agent does, asked over its control port; or, with --path, what a backup's catalog says,
// where nobody has to run.

import type { Command } from 'commander';
import { outlineBackup } from '../../inspection/backup-outline.ts';
import { openStoredBackup } from '../../inspection/stored-backup.ts';
import { pause } from '../../model/back-off.ts';
import { BackupError, messageOf } from '../../model/errors.ts';
import { toJson } from '../../model/json-fields.ts';
import { decodeAgentStatus, renderAgentStatus } from '../output/agent-status.ts';
import {
  type CommandContext,
  configSource,
  type StoreFlags,
  storeAddress,
  withBackup,
  withStoreOptions,
} from '../command-context.ts';
import { backupJson } from '../output/outline-json.ts';
import { parseCount } from '../input/parse-numbers.ts';
import { renderOutline } from '../output/reports/render-outline.ts';
import { printable } from '../output/terminal.ts';

interface StatusFlags extends StoreFlags {
  readonly watch?: boolean;
  readonly interval: string;
}

/** What one look at the backup gives. */
interface Snapshot {
  readonly json: unknown;
  readonly text: string;
}

export function addStatusCommand(program: Command, context: CommandContext): void {
  withStoreOptions(
    program.command('status').description('show how a running agent does, or what a stored backup holds'),
  )
    .option('-w, --watch', 'show it again and again until interrupted')
    .option('--interval <seconds>', 'between two looks', '2')
    .addHelpText(
      'after',
      '\nWith --config the agent is asked over control.listen (exit code 20 when none answers); with --path the catalog is read.',
    )
    .action(async (_options, command: Command) => {
      await status(context, command.optsWithGlobals<StatusFlags>());
    });
}

async function status(context: CommandContext, flags: StatusFlags): Promise<void> {
  const { terminal } = context;
  const intervalMs = parseCount(flags.interval, '--interval') * 1000;
  const look = await openLook(context, flags);
  const first = await look();
  if (flags.watch !== true) {
    terminal.result(flags.json ? toJson(first.json) : first.text);
    return;
  }
  const { stop } = terminal.signals;
  for (
    let snapshot: Snapshot | undefined = first;
    !stop.aborted && terminal.hasReader;
    snapshot = await lookAgain(context, look)
  ) {
    if (snapshot !== undefined && flags.json) terminal.result(toJson(snapshot.json));
    else if (snapshot !== undefined) terminal.renewed(snapshot.text);
    await pause(intervalMs, stop);
  }
}

/** An agent that starts again, or a store that is away for a while, does not end the watch. */
async function lookAgain({ terminal }: CommandContext, look: () => Promise<Snapshot>): Promise<Snapshot | undefined> {
  if (terminal.signals.stop.aborted) return undefined;
  try {
    return await look();
  } catch (error) {
    if (!(error instanceof BackupError) || !error.kind.retriable) throw error;
    terminal.say(printable(messageOf(error)));
    return undefined;
  }
}

async function openLook(context: CommandContext, flags: StatusFlags): Promise<() => Promise<Snapshot>> {
  const address = storeAddress(flags);
  if (address.kind === 'path') return () => lookAtCatalog(context, flags);
  const agent = await context.services.openAgent(configSource({ ...flags, config: address.config.file }));
  return async () => {
    const answer = await agent.backup();
    const decoded = decodeAgentStatus(answer, agent.url);
    return {
      json: { source: 'agent', url: agent.url, ...(answer as object) },
      text: renderAgentStatus(decoded, agent.url),
    };
  };
}

function lookAtCatalog(context: CommandContext, flags: StatusFlags): Promise<Snapshot> {
  return withBackup(context, flags, async (store, layout) => {
    const outline = outlineBackup(await openStoredBackup(store, layout));
    return {
      json: { source: 'catalog', ...backupJson(outline) },
      text: renderOutline(outline, store.description, true),
    };
  });
}
