import assert from 'node:assert/strict';
import { test } from 'node:test';
import { renderRestoreSummary } from '../../../src/cli/output/reports/render-summary.ts';
import { RESTORE_ALL, type RestoreJob } from '../../../src/restore/restore-job.ts';
import { NOW_MS, queuedJob, restoreReport, runningJob } from '../control/control-fixture.ts';

const REPORT = restoreReport('rst_1');
const COMPLETED: RestoreJob = {
  ...queuedJob('rst_1', { ...RESTORE_ALL, includeTopics: ['*'], target: 'default' }),
  state: 'COMPLETED',
  report: REPORT,
};

function summaryOf(attempts: number): string {
  const report = { ...REPORT, allAttempts: { ...REPORT.allAttempts, attempts, durationMs: 4000 } };
  return renderRestoreSummary({ ...runningJob(COMPLETED), state: 'COMPLETED', report }, 1);
}

test('the rate of a restore that was carried on is that of all its attempts', () => {
  const summary = summaryOf(3);
  assert.match(summary, /Records: 10$/m);
  assert.match(summary, /Throughput: 3 records\/sec$/m);
  assert.match(summary, /Attempts: 3, whose time and bytes are added up$/m);
});

test('the rate of a restore of one attempt is that of its run', () => {
  const summary = summaryOf(1);
  assert.match(summary, /Throughput: 10 records\/sec$/m);
  assert.doesNotMatch(summary, /Attempts/);
});

test('records outside of a window that nobody asked for are explained', () => {
  const explained = /Note: outside-window, without a window: no longer in the log of the source/;
  const textOf = (outside: number, toMs?: number): string => {
    const [state, request] = ['COMPLETED', { ...RESTORE_ALL, target: 'default' }] as const;
    const recoveryTarget = { cut: 'timestamp', ...(toMs === undefined ? {} : { toMs }) } as const;
    const begun = runningJob({ ...COMPLETED, request: { ...request, recoveryTarget } });
    const partitions = begun.partitions.map((one) => ({
      ...one,
      dropped: { ...one.dropped, 'outside-window': outside },
    }));
    return renderRestoreSummary({ ...begun, state, partitions }, 1);
  };
  assert.match(textOf(4), explained);
  assert.doesNotMatch(textOf(0), explained);
  assert.doesNotMatch(textOf(4, NOW_MS), explained);
});
