// `kafka-backup backup`: runs a backup to its end, or until it is told to stop.

import type { Command } from 'commander';
import type { BackupOutcome } from '../../backup/backup-supervisor.ts';
import type { BackupCounters } from '../../backup/progress/backup-status.ts';
import { toJson } from '../../model/json-fields.ts';
import { type CommandContext, configSource, type GlobalFlags } from '../command-context.ts';
import { formatBytes, formatCount, formatDuration } from '../output/format-quantities.ts';
import { reportProgress, stopwatch } from '../output/progress-reporter.ts';
import { renderBackupSummary } from '../output/reports/render-summary.ts';

export function addBackupCommand(program: Command, context: CommandContext): void {
  program
    .command('backup')
    .description('back up the configured topics: once, or continuously until stopped')
    .requiredOption('-c, --config <file>', 'configuration (YAML)')
    .action(async (_options, command: Command) => {
      const flags = command.optsWithGlobals<GlobalFlags & { config: string }>();
      context.exit(await backup(context, flags));
    });
}

async function backup(context: CommandContext, flags: GlobalFlags & { readonly config: string }): Promise<number> {
  const { services, terminal } = context;
  const opened = await services.openBackup(configSource(flags));
  const elapsedSeconds = stopwatch();
  const endProgress = reportProgress({
    terminal,
    isJson: flags.json,
    line: () => {
      const { counters, partitions, trouble } = opened.status();
      const lag = partitions.reduce((total, { lagRecords }) => total + lagRecords, 0);
      const rate = formatBytes(Math.round(counters.rawBytes / elapsedSeconds()));
      const state = trouble === null ? '' : `  waiting: ${trouble}`;
      return `[${formatDuration(elapsedSeconds())}] ${formatCount(counters.records)} records committed, ${rate}/s, lag ${formatCount(lag)}${state}`;
    },
    fields: () => {
      const { counters, partitions, trouble } = opened.status();
      const lag = partitions.reduce((total, { lagRecords }) => total + lagRecords, 0);
      return { seconds_elapsed: Math.round(elapsedSeconds()), ...countersJson(counters), lag_records: lag, trouble };
    },
  });
  try {
    const outcome = await opened.run(terminal.signals.stop);
    endProgress();
    if (flags.json) terminal.result(toJson(backupSummaryJson(outcome, elapsedSeconds())));
    else terminal.result(renderBackupSummary(outcome, elapsedSeconds()));
    return exitCodeOf(outcome);
  } finally {
    endProgress();
  }
}

/** A contract: README.md describes every field, and a test holds it to that. */
export function backupSummaryJson({ isComplete, shortfalls, status }: BackupOutcome, seconds: number): unknown {
  return {
    message_type: 'summary',
    command: 'backup',
    complete: isComplete,
    shortfalls,
    backup_id: status.backupId,
    cluster_id: status.clusterId,
    catalog_version: status.catalogVersion,
    seconds_elapsed: Number(seconds.toFixed(3)),
    ...countersJson(status.counters),
    store_requests: status.store?.requests ?? null,
  };
}

function countersJson(counters: BackupCounters): Readonly<Record<string, number>> {
  return {
    records: counters.records,
    raw_bytes: counters.rawBytes,
    stored_bytes: counters.storedBytes,
    segments: counters.segments,
    commits: counters.commits,
    gaps: counters.gaps,
    gap_records: counters.gapRecords,
    errors: counters.errors,
    fenced_segments: counters.fencedSegments,
  };
}

/** 11 when another agent took a partition over, 3 when anything else is missing. */
function exitCodeOf({ isComplete, status }: BackupOutcome): number {
  if (status.partitions.some(({ state }) => state === 'fenced')) return 11;
  return isComplete ? 0 : 3;
}
