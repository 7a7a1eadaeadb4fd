// `kafka-backup prune`: what crashes left behind, listed or, with --confirm, removed.

import type { Command } from 'commander';
import { toJson } from '../../../model/json-fields.ts';
import { type PruneReport, PruneRun } from '../../../prune/prune-run.ts';
import { type CommandContext, type StoreFlags, withBackup, withStoreOptions } from '../../command-context.ts';
import { formatCount } from '../../output/format-quantities.ts';
import { parseDuration } from '../../input/parse-quantities.ts';
import { reportProgress } from '../../output/progress-reporter.ts';
import { pruneJson, renderPrune } from '../../output/reports/render-prune.ts';

const HOUR_MS = 3_600_000;

interface PruneFlags extends StoreFlags {
  readonly confirm?: boolean;
  readonly olderThan: string;
}

export function addPruneCommand(program: Command, context: CommandContext): void {
  withStoreOptions(program.command('prune').description('list what crashes left behind in a store, or remove it'))
    .option('--confirm', 'remove it; without this nothing is changed')
    .option('--older-than <duration>', 'leave alone what is younger, by the clock of the store', '24h')
    .addHelpText(
      'after',
      '\nLooks for objects under data/ that no commit ever named, for uploads of any object that never ended (temporary files on a\n' +
        'filesystem, multipart uploads on S3, uncommitted blocks on Azure; Google Cloud Storage shows none and drops them after a\n' +
        'week), and for checkpoints of the catalog that others have replaced: the newest three that are whole stay. Commits,\n' +
        'restores, and whatever any version of the catalog names stay, and so does what is older than the first commit: a catalog\n' +
        'that was lost may have named it. On Azure blocks go only by way of an empty blob that\n' +
        'everybody sees, so that those of objects outside data/ are counted and left to the service, which drops them a week\n' +
        'after the last one came. --older-than must be longer than what an agent that writes\n' +
        'to the backup may take from the first byte of a segment to its commit: segment_max_interval_ms and the shorter of\n' +
        'checkpoint_interval_secs and sync_interval_secs together. An agent whose segment is removed before its commit stops, and\n' +
        'goes on from what is committed when it is started again. Exits with 13, and removes nothing, when the catalog cannot be\n' +
        'read whole. In an S3 bucket that keeps versions, what is removed is only hidden, and said to be: a lifecycle\n' +
        'rule for noncurrent versions ends it.',
    )
    .action(async (_options, command: Command) => {
      context.exit(await prune(context, command.optsWithGlobals<PruneFlags>()));
    });
}

function prune(context: CommandContext, flags: PruneFlags): Promise<number> {
  const { terminal } = context;
  const olderThanMs = parseDuration(flags.olderThan, '--older-than');
  return withBackup(context, flags, async (store, layout) => {
    const isConfirmed = flags.confirm === true;
    if (isConfirmed && olderThanMs < HOUR_MS) {
      terminal.say('An agent that runs now may yet commit what is so young: prune like this only while none does.');
    }
    const run = new PruneRun({ store, layout, olderThanMs, isConfirmed, signal: terminal.signals.stop });
    const endProgress = reportProgress({
      terminal,
      isJson: flags.json,
      line: () => progressLine(run),
      fields: () => ({ ...run.progress() }),
    });
    const tell = (report: PruneReport): void => {
      endProgress();
      terminal.result(flags.json ? toJson(pruneJson(report)) : renderPrune(report));
    };
    try {
      tell(await run.run());
      return 0;
    } catch (error) {
      const report = run.report();
      if (report.failures.length > 0) tell(report);
      throw error;
    } finally {
      endProgress();
    }
  });
}

function progressLine(run: PruneRun): string {
  const { objects, orphans, uploads } = run.progress();
  return `${formatCount(objects)} objects seen, ${formatCount(orphans)} orphans, ${formatCount(uploads)} unfinished uploads`;
}
