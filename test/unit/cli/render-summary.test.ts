import assert from 'node:assert/strict';
import { test } from 'node:test';
import { renderRestoreSummary } from '../../../src/cli/output/reports/render-summary.ts';
import { RESTORE_ALL, type RestoreJob } from '../../../src/restore/restore-job.ts';
import { NOW_MS, restoreReport, runningJob } from '../control/control-fixture.ts';

function summaryOf(attempts: number): string {
  const report = restoreReport('rst_1');
  const job: RestoreJob = {
    id: 'rst_1',
    state: 'COMPLETED',
    backupId: 'orders',
    request: { ...RESTORE_ALL, includeTopics: ['*'], target: 'default' },
    createdAtMs: NOW_MS,
    startedAtMs: null,
    finishedAtMs: null,
    progress: null,
    partitions: [],
    plan: null,
    report: { ...report, allAttempts: { ...report.allAttempts, attempts, durationMs: 4000 } },
    remarks: [],
    isWhole: true,
    failure: null,
  };
  return renderRestoreSummary({ ...runningJob(job), state: 'COMPLETED' }, 1);
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
