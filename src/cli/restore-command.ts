// `kafka-backup restore` and `kafka-backup validate-restore`: the same plan, carried out or only shown.

import type { Command } from 'commander';
import { BackupError } from '../model/errors.ts';
import { toJson } from '../model/json-fields.ts';
import type { RestoreJob, RestoreRequest } from '../restore/restore-job.ts';
import { type CommandContext, configSource, type GlobalFlags } from './command-context.ts';
import { formatBytes, formatCount, formatDuration } from './format-quantities.ts';
import { parseInstant } from './parse-instant.ts';
import { reportProgress } from './progress-reporter.ts';
import { renderPlan } from './render-plan.ts';
import { renderRestoreSummary } from './render-summary.ts';
import { printable } from './terminal.ts';

interface RestoreFlags extends GlobalFlags {
  readonly config: string;
  readonly to?: string;
  readonly dryRun?: boolean;
}

export function addRestoreCommands(program: Command, context: CommandContext): void {
  program
    .command('restore')
    .description('put topics back as they were at the recovery target')
    .requiredOption('-c, --config <file>', 'configuration (YAML)')
    .option('--to <instant>', 'recovery target: RFC 3339, epoch milliseconds, or -2h')
    .option('--dry-run', 'print the plan and its checks; write nothing')
    .action(async (_options, command: Command) => {
      const flags = command.optsWithGlobals<RestoreFlags>();
      context.exit(await restore(context, flags, flags.dryRun === true));
    });
  program
    .command('validate-restore')
    .description('print the plan of a restore and check that it could be carried out; write nothing')
    .requiredOption('-c, --config <file>', 'configuration (YAML)')
    .option('--to <instant>', 'recovery target: RFC 3339, epoch milliseconds, or -2h')
    .action(async (_options, command: Command) => {
      context.exit(await restore(context, command.optsWithGlobals<RestoreFlags>(), true));
    });
}

async function restore(
  { services, terminal }: CommandContext,
  flags: RestoreFlags,
  isDryRun: boolean,
): Promise<number> {
  const opened = await services.openRestore(configSource(flags));
  const startedAt = performance.now();
  const elapsedSeconds = (): number => (performance.now() - startedAt) / 1000;
  let endProgress = (): void => {};
  try {
    const request = requestOf(opened.request, flags, isDryRun);
    if (request.recoveryTarget.toMs !== undefined) {
      terminal.say(`recovery target: ${new Date(request.recoveryTarget.toMs).toISOString()}`);
    }
    const running = opened.start(request);
    terminal.signals.stop.addEventListener('abort', () => running.cancel(), { once: true });
    endProgress = reportProgress({
      terminal,
      isJson: flags.json,
      line: () => progressLine(running.job(), elapsedSeconds()),
      fields: () => ({
        seconds_elapsed: Math.round(elapsedSeconds()),
        state: running.job().state,
        ...running.job().progress,
      }),
    });
    const job = await running.finished.catch((error: unknown) => {
      endProgress();
      showPlan(terminal.say.bind(terminal), running.job(), flags.json);
      throw error;
    });
    endProgress();
    if (flags.json)
      terminal.result(
        toJson({ message_type: 'summary', command: 'restore', seconds_elapsed: elapsedSeconds(), ...job }),
      );
    else {
      showPlan(isDryRun ? terminal.result.bind(terminal) : terminal.say.bind(terminal), job, false);
      if (!isDryRun) terminal.result(renderRestoreSummary(job, elapsedSeconds()));
    }
    return exitCodeOf(job, isDryRun);
  } finally {
    endProgress();
    await opened.close();
  }
}

function requestOf(configured: RestoreRequest, flags: RestoreFlags, dryRun: boolean): RestoreRequest {
  if (flags.to === undefined) return { ...configured, dryRun: dryRun || configured.dryRun };
  const toMs = parseInstant(flags.to, Date.now());
  if (configured.recoveryTarget.fromMs !== undefined && configured.recoveryTarget.fromMs > toMs) {
    throw new BackupError('USAGE_INVALID', `--to ${flags.to} is before restore.time_window_start`);
  }
  return { ...configured, recoveryTarget: { ...configured.recoveryTarget, toMs }, dryRun: dryRun || configured.dryRun };
}

function showPlan(show: (text: string) => void, job: RestoreJob, isJson: boolean): void {
  if (job.plan !== null && !isJson) show(renderPlan(job.plan, job.backupId, printable(job.request.target)));
}

function exitCodeOf(job: RestoreJob, isDryRun: boolean): number {
  if (job.state === 'CANCELLED') return 130;
  if (isDryRun && job.plan?.checks.some(({ level }) => level === 'block') === true) return 4;
  return 0;
}

function progressLine({ state, progress }: RestoreJob, seconds: number): string {
  const elapsed = `[${formatDuration(seconds)}]`;
  if (progress === null) return `${elapsed} ${state.toLowerCase()}`;
  const { recordsRestored, bytesRead, bytesTotal, partitionsDone, partitionsTotal } = progress;
  const percent = bytesTotal === 0 ? 100 : (100 * bytesRead) / bytesTotal;
  const remaining = bytesRead === 0 ? '' : ` ETA ${formatDuration((seconds * (bytesTotal - bytesRead)) / bytesRead)}`;
  return `${elapsed} ${percent.toFixed(1)}% ${formatCount(recordsRestored)} records, ${formatBytes(bytesRead)} / ${formatBytes(bytesTotal)} read, ${partitionsDone}/${partitionsTotal} partitions${remaining}`;
}
