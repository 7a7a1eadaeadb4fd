// `kafka-backup validate`: is the store what the catalog says it is? The last line is the verdict, and the exit code says the same.

import { randomInt } from 'node:crypto';
import type { Command } from 'commander';
import { BackupError } from '../../../model/errors.ts';
import { toJson } from '../../../model/json-fields.ts';
import type { SampleChoice } from '../../../validation/segment-sample.ts';
import { type ValidationDepth, ValidationRun } from '../../../validation/validation-run.ts';
import { type CommandContext, type StoreFlags, withBackup, withStoreOptions } from '../../command-context.ts';
import { formatBytes, formatCount, formatDuration } from '../../output/format-quantities.ts';
import { parseCount } from '../../input/parse-numbers.ts';
import { reportProgress, stopwatch } from '../../output/progress-reporter.ts';
import { renderValidation, validationJson } from '../../output/reports/render-validation.ts';

const INTEGRITY_EXIT_CODE = 13;
const MAX_SEED = 1_000_000_000;

interface ValidateFlags extends StoreFlags {
  readonly deep?: boolean;
  readonly quick?: boolean;
  readonly sample?: string;
  readonly seed?: string;
}

export function addValidateCommand(program: Command, context: CommandContext): void {
  withStoreOptions(program.command('validate').description('check that a backup is complete and undamaged'))
    .option('--deep', 'decode every byte too: checksums of all record batches, counts, timestamps, transactions')
    .option('--quick', 'read no bodies of objects: the catalog, sizes and footers alone')
    .option('--sample <share>', 'open only this share of the objects, such as 5%; the seed that chose them is printed')
    .option('--seed <number>', 'choose the same objects again')
    .addHelpText(
      'after',
      '\nChecks every commit since the first, that segments and gaps tile the offsets of every partition, and that each committed object\n' +
        'is there with its size and its hash, for which every byte is read. With --sample, only of a share of the objects more than\n' +
        'their size is checked. Exits with 13 when anything is wrong; declared gaps and orphans are no fault.',
    )
    .action(async (_options, command: Command) => {
      context.exit(await validate(context, command.optsWithGlobals<ValidateFlags>()));
    });
}

function validate(context: CommandContext, flags: ValidateFlags): Promise<number> {
  const { services, terminal } = context;
  return withBackup(context, flags, async (store, layout) => {
    const sample = sampleChoice(flags);
    const depth = depthOf(flags);
    const workers = services.openWorkers();
    const run = new ValidationRun({ store, layout, depth, workers, sample, signal: terminal.signals.stop });
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
      await workers.close();
    }
  });
}

/** @throws USAGE_INVALID. */
function depthOf({ deep, quick }: ValidateFlags): ValidationDepth {
  if (deep === true && quick === true)
    throw new BackupError('USAGE_INVALID', '--quick reads no bodies and --deep decodes them: give one of the two');
  if (deep === true) return 'deep';
  return quick === true ? 'quick' : 'bytes';
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
