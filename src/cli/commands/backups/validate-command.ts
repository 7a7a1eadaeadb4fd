// `kafka-backup validate`: is the store what the catalog says it is? The last line is the verdict, and the exit code says the same.

import { randomInt } from 'node:crypto';
import type { Command } from 'commander';
import { BackupError } from '../../../model/errors.ts';
import { toJson } from '../../../model/json-fields.ts';
import type { SampleChoice } from '../../../validation/segment-sample.ts';
import { ValidationRun } from '../../../validation/validation-run.ts';
import { type CommandContext, type StoreFlags, withBackup, withStoreOptions } from '../../command-context.ts';
import { formatBytes, formatCount, formatDuration } from '../../output/format-quantities.ts';
import { parseCount } from '../../input/parse-numbers.ts';
import { reportProgress, stopwatch } from '../../output/progress-reporter.ts';
import { renderValidation, validationJson } from '../../output/reports/render-validation.ts';

const INTEGRITY_EXIT_CODE = 13;
const MAX_SEED = 1_000_000_000;

interface ValidateFlags extends StoreFlags {
  readonly deep?: boolean;
  readonly sample?: string;
  readonly seed?: string;
}

export function addValidateCommand(program: Command, context: CommandContext): void {
  withStoreOptions(program.command('validate').description('check that a backup is complete and undamaged'))
    .option('--deep', 'read every byte: hashes, checksums of all record batches, counts, transactions')
    .option('--sample <share>', 'open only this share of the objects, such as 5%; the seed that chose them is printed')
    .option('--seed <number>', 'choose the same objects again')
    .addHelpText(
      'after',
      '\nChecks every commit since the first, that segments and gaps tile the offsets of every partition, that each committed object\n' +
        'is there with its size, and its footer. With --sample, the footers and with --deep the bytes of a share of them. Exits with 13 when anything is wrong; declared gaps and orphans are no fault.',
    )
    .action(async (_options, command: Command) => {
      context.exit(await validate(context, command.optsWithGlobals<ValidateFlags>()));
    });
}

function validate(context: CommandContext, flags: ValidateFlags): Promise<number> {
  const { services, terminal } = context;
  return withBackup(context, flags, async (store, layout) => {
    const sample = sampleChoice(flags);
    const workers = flags.deep === true ? services.openWorkers() : null;
    const run = new ValidationRun({ store, layout, workers, sample, signal: terminal.signals.stop });
    const elapsedSeconds = stopwatch();
    const endProgress = reportProgress({
      terminal,
      isJson: flags.json,
      line: () => progressLine(run, elapsedSeconds()),
      fields: () => ({ seconds_elapsed: Math.round(elapsedSeconds()), ...run.progress() }),
    });
    try {
      const report = await run.run();
      endProgress();
      terminal.result(
        flags.json ? toJson(validationJson(report, elapsedSeconds())) : renderValidation(report, elapsedSeconds()),
      );
      return report.isValid ? 0 : INTEGRITY_EXIT_CODE;
    } finally {
      endProgress();
      await workers?.close();
    }
  });
}

/** @throws USAGE_INVALID. */
function sampleChoice({ sample, seed }: ValidateFlags): SampleChoice | null {
  if (sample === undefined) {
    if (seed !== undefined) throw new BackupError('USAGE_INVALID', '--seed chooses a sample: give --sample too');
    return null;
  }
  const percent = /^(\d{1,3}(?:\.\d{1,6})?)%$/.exec(sample)?.[1];
  const share = Number(percent ?? 0) / 100;
  if (share <= 0 || share > 1) {
    throw new BackupError('USAGE_INVALID', `--sample ${JSON.stringify(sample)} is not a share; write 5%, up to 100%`);
  }
  return { share, seed: seed === undefined ? randomInt(1, MAX_SEED) : parseCount(seed, '--seed') };
}

function progressLine(run: ValidationRun, seconds: number): string {
  const { commits, objects, objectsTotal, bytesRead, bytesTotal, problems } = run.progress();
  const read = bytesTotal === 0 ? '' : `, ${formatBytes(bytesRead)} / ${formatBytes(bytesTotal)} read`;
  return `[${formatDuration(seconds)}] ${formatCount(commits)} commits, ${formatCount(objects)}/${formatCount(objectsTotal)} objects${read}, ${formatCount(problems)} problems`;
}
