// `kafka-backup restore` and `kafka-backup validate-restore`: the same plan, carried out or only shown.

import type { Command } from 'commander';
import { BackupError } from '../../../model/errors.ts';
import { toJson } from '../../../model/json-fields.ts';
import { abandonedDocument } from '../../../restore/documents/abandoned-document.ts';
import { jobDocument, secondsLeft, statusDocument } from '../../../restore/documents/job-document.ts';
import { reportDocument } from '../../../restore/documents/report-document.ts';
import type { PlanSummary, RestoreJob } from '../../../restore/restore-job.ts';
import { type CommandContext, configSource, type GlobalFlags } from '../../command-context.ts';
import { formatBytes, formatCount, formatDuration } from '../../output/format-quantities.ts';
import { parseBandwidth } from '../../input/parse-quantities.ts';
import { reportProgress, stopwatch } from '../../output/progress-reporter.ts';
import { renderAbandoned } from '../../output/reports/restore/render-abandoned.ts';
import { estimateRestore, type RestoreLimits, renderPlan } from '../../output/reports/restore/render-plan.ts';
import { renderRestoreSummary } from '../../output/reports/render-summary.ts';
import { addTargetOptions, describeTargets, requestOf, saysWhat, type TargetFlags } from '../../input/restore-flags.ts';
import type { OpenedRestore, StartedRestore } from '../../services.ts';
import { printable } from '../../output/terminal.ts';

interface RestoreFlags extends GlobalFlags, TargetFlags {
  readonly config: string;
  readonly bandwidth?: string;
  readonly plan?: string;
  readonly resume?: string;
  readonly abandon?: string;
}

export function addRestoreCommands(program: Command, context: CommandContext): void {
  withOptions(program.command('restore').description('put topics back as they were at the recovery target'))
    .option('--dry-run', 'print the plan and its checks; write nothing to the target')
    .option('--plan <plan-id>', 'carry out the plan of that id, if backup and target are still as it was made for')
    .option('--resume <restore-id>', 'carry on a restore that was killed or failed, as it was asked for')
    .option('--abandon <restore-id>', 'give an unfinished restore up: its topics get their own configuration back')
    .action(async (_options, command: Command) => {
      const flags = command.optsWithGlobals<RestoreFlags>();
      context.exit(
        await (flags.abandon === undefined ? restore(context, flags) : abandon(context, flags, flags.abandon)),
      );
    });
  withOptions(
    program
      .command('validate-restore')
      .description('print the plan of a restore and check that it could be carried out; write nothing to the target'),
  ).action(async (_options, command: Command) => {
    context.exit(await restore(context, { ...command.optsWithGlobals<RestoreFlags>(), dryRun: true }));
  });
}

function withOptions(command: Command): Command {
  return addTargetOptions(command.requiredOption('-c, --config <file>', 'configuration (YAML)')).option(
    '--bandwidth <rate>',
    'how fast the store is read, such as 100MB/s: the plan says how long it takes then',
  );
}

async function restore({ services, terminal }: CommandContext, flags: RestoreFlags): Promise<number> {
  const bandwidth = flags.bandwidth === undefined ? null : parseBandwidth(flags.bandwidth, '--bandwidth');
  const opened = await services.openRestore(configSource(flags));
  const limits: RestoreLimits = { ...opened.limits, bytesReadPerSecond: bandwidth };
  const elapsedSeconds = stopwatch();
  const showPlan = (show: (text: string) => void, job: RestoreJob): void => {
    if (job.plan === null) return;
    const target = printable(job.request.target);
    show(renderPlan(job.plan, { backupId: job.backupId, target, limits, isDetailed: flags.verbose }));
  };
  let endProgress = (): void => {};
  try {
    const running = await start(opened, flags);
    for (const text of describeTargets(running.job().request)) {
      terminal.say(flags.json ? toJson({ message_type: 'recovery_target', text }) : printable(text));
    }
    terminal.signals.stop.addEventListener('abort', () => running.cancel(), { once: true });
    endProgress = reportProgress({
      terminal,
      isJson: flags.json,
      line: () => progressLine(running.job(), elapsedSeconds()),
      fields: () => ({
        seconds_elapsed: Math.round(elapsedSeconds()),
        ...statusDocument(running.job(), Date.now()),
      }),
    });
    const job = await running.finished.catch((error: unknown) => {
      endProgress();
      if (!flags.json) showPlan(terminal.say.bind(terminal), running.job());
      throw error;
    });
    endProgress();
    const isDryRun = job.request.dryRun;
    if (flags.json) terminal.result(summaryJson(job, elapsedSeconds(), limits));
    else {
      showPlan(isDryRun ? terminal.result.bind(terminal) : terminal.say.bind(terminal), job);
      if (!isDryRun) terminal.result(renderRestoreSummary(job, elapsedSeconds()));
    }
    return exitCodeOf(job);
  } finally {
    endProgress();
    await opened.close();
  }
}

async function abandon({ services, terminal }: CommandContext, flags: RestoreFlags, id: string): Promise<number> {
  assertAlone(flags, `--abandon ${id}`);
  const opened = await services.openRestore(configSource(flags));
  try {
    assertWrites(opened, `--abandon ${id}`);
    const abandoned = await opened.abandon(id);
    if (flags.json) {
      const document = abandonedDocument(abandoned);
      terminal.result(toJson({ message_type: 'summary', command: 'abandon', ...document }));
    } else terminal.result(renderAbandoned(abandoned));
    return 0;
  } finally {
    await opened.close();
  }
}

async function start(opened: OpenedRestore, flags: RestoreFlags): Promise<StartedRestore> {
  const { plan, resume } = flags;
  if (plan === undefined && resume === undefined) return opened.start(requestOf(opened, flags, Date.now()));
  const flag = plan === undefined ? `--resume ${resume}` : `--plan ${plan}`;
  assertAlone(flags, flag);
  assertWrites(opened, flag);
  return plan === undefined ? opened.resume(resume ?? '') : opened.startPlan(plan);
}

/** @throws USAGE_INVALID when flags say what to restore beside a plan or a restore that says it already. */
function assertAlone(flags: RestoreFlags, flag: string): void {
  const named = [flags.plan, flags.resume, flags.abandon].filter((one) => one !== undefined);
  if (named.length <= 1 && !saysWhat(flags) && flags.dryRun !== true) return;
  throw new BackupError(
    'USAGE_INVALID',
    `${flag} says all that is meant; leave out the other flags that say what to restore, and --dry-run`,
  );
}

/** @throws USAGE_INVALID when the configuration says that nothing is written, which the flag is for. */
function assertWrites({ request }: OpenedRestore, flag: string): void {
  if (!request.dryRun) return;
  throw new BackupError(
    'USAGE_INVALID',
    `${flag} writes to the target, and restore.dry_run: true says that nothing does; set it to false`,
  );
}

/** A contract: README.md describes every field, and a test holds it to that. */
export function summaryJson(job: RestoreJob, seconds: number, limits: RestoreLimits): string {
  return toJson({
    message_type: 'summary',
    command: 'restore',
    seconds_elapsed: seconds,
    recovery_targets: describeTargets(job.request),
    estimate: job.plan === null ? null : estimateJson(job.plan, limits),
    ...jobDocument(job, Date.now()),
    report: job.report === null ? null : reportDocument(job.report),
  });
}

function estimateJson(plan: PlanSummary, limits: RestoreLimits): unknown {
  const { records, isExact, bytesToRead, seconds } = estimateRestore(plan, limits);
  return { records, records_are_exact: isExact, bytes_to_read: bytesToRead, seconds };
}

/** DESIGN 7: 3 for a restore that is complete, but of a backup with gaps where wanted records may have been, or not there any more. */
function exitCodeOf({ state, request, plan, report, isWhole }: RestoreJob): number {
  if (state === 'CANCELLED') return 130;
  if (request.dryRun) return plan?.checks.some(({ level }) => level === 'block') === true ? 4 : 0;
  const hasGaps = report?.sources.some(({ gaps }) => gaps.length > 0) === true;
  return hasGaps || !isWhole ? 3 : 0;
}

function progressLine({ state, progress }: RestoreJob, seconds: number): string {
  const elapsed = `[${formatDuration(seconds)}]`;
  if (progress === null) return `${elapsed} ${state.toLowerCase()}`;
  const { recordsRestored, bytesRead, bytesTotal, partitionsDone, partitionsTotal } = progress;
  const percent = bytesTotal === 0 ? 100 : (100 * bytesRead) / bytesTotal;
  const left = secondsLeft(progress, seconds);
  const remaining = left === null ? '' : ` ETA ${formatDuration(left)}`;
  return `${elapsed} ${percent.toFixed(1)}% ${formatCount(recordsRestored)} records, ${formatBytes(bytesRead)} / ${formatBytes(bytesTotal)} read, ${partitionsDone}/${partitionsTotal} partitions${remaining}`;
}
