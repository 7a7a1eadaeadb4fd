// `kafka-backup import`: a backup of OSO kafka-backup becomes one of ours. Started again it goes on, or adds what the peer has backed up
// since.

import { Command, Option } from 'commander';
import type { ImportReport } from '../../../import/import-run.ts';
import type { ImportChoices } from '../../../import/partition-import.ts';
import { toJson } from '../../../model/json-fields.ts';
import { type CommandContext, configSource, type GlobalFlags } from '../../command-context.ts';
import { formatBytes, formatCount, formatDuration } from '../../output/format-quantities.ts';
import { reportProgress, stopwatch } from '../../output/progress-reporter.ts';
import { importJson, renderImport, unnamedWarning } from '../../output/reports/render-import.ts';
import type { OpenedImport } from '../../services.ts';

const INTEGRITY_EXIT_CODE = 13;
const INCOMPLETE_EXIT_CODE = 3;

interface ImportFlags extends GlobalFlags {
  readonly config: string;
  readonly from: string;
  readonly backupId?: string;
  readonly addedHeaders: 'drop' | 'keep';
  readonly markers: 'drop' | 'keep';
  readonly damaged: ImportChoices['damaged'];
}

export function addImportCommand(program: Command, context: CommandContext): void {
  const choice = (flags: string, text: string, choices: readonly [string, string]): Option =>
    new Option(flags, text).choices(choices).default(choices[0]);
  program
    .command('import')
    .description('turn a backup of OSO kafka-backup into one of ours; started again it goes on')
    .requiredOption('-c, --config <file>', 'configuration (YAML): store and backup_id of the new backup')
    .requiredOption('--from <store>', "the other program's store: a directory or a URL; its backups stay as they are")
    .option('-b, --backup-id <id>', 'which backup of that store, when it holds several')
    .addOption(choice('--added-headers <what>', 'headers that it added to every record', ['drop', 'keep']))
    .addOption(choice('--markers <what>', 'records that look like ends of transactions', ['keep', 'drop']))
    .addOption(
      choice('--damaged <what>', 'a file that cannot be read ends its partition, or is a gap', ['stop', 'gap']),
    )
    .addHelpText(
      'after',
      '\nx-original-offset, x-original-timestamp and x-source-cluster are dropped by default, since the producers did not send them; they\n' +
        'are told from headers of the same name that were sent by their place and their value. Ends of transactions, which the other\n' +
        'program stores as data, are kept by default, since nothing proves that they are none. Offsets that no file holds become gaps.\n' +
        'What a URL does not say of the store, keys and tokens among it, comes from KAFKA_BACKUP__FROM__ACCESS_KEY, ..._SAS_TOKEN and so on;\n' +
        'KAFKA_BACKUP__STORAGE__... says it of the store of the new backup.\n' +
        'Exits with 13 when a file is damaged, with 3 when --damaged gap left it out, when offsets are missing of which\nthe source says nothing or that an earlier import has left as gaps, or when its manifest does not name some of its files.',
    )
    .action(async (_options, command: Command) => {
      context.exit(await importBackup(context, command.optsWithGlobals<ImportFlags>()));
    });
}

async function importBackup({ services, terminal }: CommandContext, flags: ImportFlags): Promise<number> {
  const choices: ImportChoices = {
    keepsAddedHeaders: flags.addedHeaders === 'keep',
    dropsMarkers: flags.markers === 'drop',
    damaged: flags.damaged,
  };
  const { from, backupId } = flags;
  const opened = await services.openImport(configSource(flags), { from, backupId, choices });
  const elapsedSeconds = stopwatch();
  const endProgress = reportProgress({
    terminal,
    isJson: flags.json,
    line: () => progressLine(opened, elapsedSeconds()),
    fields: () => {
      const { counters, ...progress } = opened.progress();
      return { seconds_elapsed: Math.round(elapsedSeconds()), ...progress, ...counters };
    },
  });
  try {
    const report = await opened.run(terminal.signals.stop);
    endProgress();
    const seconds = elapsedSeconds();
    const warning = unnamedWarning(report);
    if (warning !== undefined) terminal.say(warning);
    terminal.result(flags.json ? toJson(importJson(report, seconds)) : renderImport(report, choices, seconds));
    return exitCodeOf(report);
  } finally {
    endProgress();
    await opened.close();
  }
}

/** DESIGN 7: 3 for what is finished with gaps, but for those that the source itself has told of, or without files that it has. */
function exitCodeOf({ damaged, counters, unnamed }: ImportReport): number {
  if (damaged.some(({ isGap }) => !isGap)) return INTEGRITY_EXIT_CODE;
  const isWhole = damaged.length + counters.undeclaredGaps + counters.filesInGaps + unnamed.length === 0;
  return isWhole ? 0 : INCOMPLETE_EXIT_CODE;
}

function progressLine(opened: OpenedImport, seconds: number): string {
  const { counters, bytesRead, bytesTotal, partitionsDone, partitionsTotal } = opened.progress();
  return `[${formatDuration(seconds)}] ${formatCount(counters.records)} records committed, ${formatBytes(bytesRead)} / ${formatBytes(bytesTotal)} read, ${partitionsDone}/${partitionsTotal} partitions`;
}
