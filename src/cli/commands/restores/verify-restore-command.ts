// `kafka-backup verify-restore`: is what a restore wrote still there, as the backup has it? The last line is the verdict, and the
// exit code says the same.

import type { Command } from 'commander';
import { toJson } from '../../../model/json-fields.ts';
import type { VerificationReport } from '../../../verification/verification-run.ts';
import { type CommandContext, configSource, type GlobalFlags } from '../../command-context.ts';
import { formatBytes, formatCount, formatDuration } from '../../output/format-quantities.ts';
import { reportProgress, stopwatch } from '../../output/progress-reporter.ts';
import { renderVerification, verificationJson } from '../../output/reports/restore/render-verification.ts';
import type { OpenedVerification } from '../../services.ts';

const EXIT_CODES = { equal: 0, different: 13, inconclusive: 3 } as const satisfies Record<
  VerificationReport['verdict'],
  number
>;

export function addVerifyRestoreCommand(program: Command, context: CommandContext): void {
  program
    .command('verify-restore')
    .description('compare a restored topic with the backup, record by record, read as a consumer reads it')
    .argument('[restore-id]', 'the restore, as its summary names it; the newest complete one unless given')
    .requiredOption('-c, --config <file>', 'configuration (YAML) that names the store, the backup and the target')
    .addHelpText(
      'after',
      '\nSays equal, different with the first difference of each partition, or inconclusive with the reason: records that the target\n' +
        'has deleted or compacted since, a topic that was made again, a gap in the backup. Exits with 0, 13 or 3. Writes nothing.',
    )
    .action(async (restoreId: string | undefined, _options, command: Command) => {
      context.exit(
        await verifyRestore(context, restoreId, command.optsWithGlobals<GlobalFlags & { config: string }>()),
      );
    });
}

async function verifyRestore(
  { services, terminal }: CommandContext,
  restoreId: string | undefined,
  flags: GlobalFlags & { readonly config: string },
): Promise<number> {
  const opened = await services.openVerification(configSource(flags));
  const elapsedSeconds = stopwatch();
  const endProgress = reportProgress({
    terminal,
    isJson: flags.json,
    line: () => progressLine(opened, elapsedSeconds()),
    fields: () => ({ seconds_elapsed: Math.round(elapsedSeconds()), ...opened.progress() }),
  });
  try {
    const report = await opened.run(restoreId, terminal.signals.stop);
    endProgress();
    const seconds = elapsedSeconds();
    terminal.result(flags.json ? toJson(verificationJson(report, seconds)) : renderVerification(report, seconds));
    return EXIT_CODES[report.verdict];
  } finally {
    endProgress();
    await opened.close();
  }
}

function progressLine(opened: OpenedVerification, seconds: number): string {
  const { recordsCompared, recordsTotal, bytesRead, partitionsDone, partitionsTotal, different } = opened.progress();
  return `[${formatDuration(seconds)}] ${formatCount(recordsCompared)} / ${formatCount(recordsTotal)} records compared, ${formatBytes(bytesRead)} of the backup read, ${partitionsDone}/${partitionsTotal} partitions, ${different} different`;
}
