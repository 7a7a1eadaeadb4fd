// `kafka-backup estimate`: what backing up the configured topics would take, by codec and level, measured on their own records.

import type { Command } from 'commander';
import type { EstimateQuestion } from '../../estimate/estimate-run.ts';
import { toJson } from '../../model/json-fields.ts';
import { type CommandContext, configSource, type GlobalFlags } from '../command-context.ts';
import { formatBytes, formatCount, formatDuration } from '../output/format-quantities.ts';
import { parseBandwidth, parseDuration, parseSize } from '../input/parse-quantities.ts';
import { reportProgress, stopwatch } from '../output/progress-reporter.ts';
import { estimateJson, renderEstimate } from '../output/reports/render-estimate.ts';

const INCOMPLETE_EXIT_CODE = 3;

interface EstimateFlags extends GlobalFlags {
  readonly config: string;
  readonly sample: string;
  readonly retention: string;
  readonly bandwidth: string;
}

export function addEstimateCommand(program: Command, context: CommandContext): void {
  program
    .command('estimate')
    .description('measure on the configured topics what a backup will need, by codec and level')
    .requiredOption('-c, --config <file>', 'configuration (YAML)')
    .option('--sample <size>', 'read at most this much of each topic, its newest records', '64MB')
    .option('--retention <duration>', 'how long backups are kept', '30d')
    .option('--bandwidth <speed>', 'of the link to the store and the target, for the time of a restore', '1Gbit/s')
    .addHelpText(
      'after',
      '\nRates are those of the last 24 hours, or of as much of a topic as there is. The source is only read, the store is not used.\n' +
        'Exits with 0, or with 3 when topics could not be read, so that the estimate is too small.',
    )
    .action(async (_options, command: Command) => {
      context.exit(await estimate(context, command.optsWithGlobals<EstimateFlags>()));
    });
}

async function estimate({ services, terminal }: CommandContext, flags: EstimateFlags): Promise<number> {
  const question: EstimateQuestion = {
    sampleBytes: parseSize(flags.sample, '--sample'),
    retentionMs: parseDuration(flags.retention, '--retention'),
    bandwidthBytesPerSec: parseBandwidth(flags.bandwidth, '--bandwidth'),
  };
  const run = await services.openEstimate(configSource(flags));
  const elapsedSeconds = stopwatch();
  const endProgress = reportProgress({
    terminal,
    isJson: flags.json,
    line: () => {
      const { topics, topicsTotal, bytesSampled } = run.progress();
      const elapsed = formatDuration(elapsedSeconds());
      return `[${elapsed}] ${formatCount(topics)}/${formatCount(topicsTotal)} topics, ${formatBytes(bytesSampled)} sampled`;
    },
    fields: () => ({ ...run.progress() }),
  });
  try {
    const found = await run.run(question, terminal.signals.stop);
    endProgress();
    terminal.result(flags.json ? toJson(estimateJson(found, question)) : renderEstimate(found, question));
    return found.leftOut.every(({ code }) => code === 'TOPIC_NOT_FOUND') ? 0 : INCOMPLETE_EXIT_CODE;
  } finally {
    endProgress();
    await run.close();
  }
}
