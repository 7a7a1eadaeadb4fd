// The JSON of a restore is a contract: every field that is printed stands in the README, and every field that stands there is printed.

import assert from 'node:assert/strict';
import { readFileSync } from 'node:fs';
import { test } from 'node:test';
import { summaryJson } from '../../../src/cli/commands/restores/restore-command.ts';
import { RESTORE_ALL, type RestoreJob } from '../../../src/restore/restore-job.ts';
import { queuedJob, restoreReport, runningJob } from '../control/control-fixture.ts';

/** Maps whose keys are names of the user, or of the configuration: they are described as a whole. */
const OPEN_MAPS = [
  'topic_mapping',
  'request',
  'partitions[].dropped',
  'report.sources[].dropped',
  'plan.topics[].dropped',
  'plan.topics[].dropped_certainty',
  'plan.topics[].partition_plans[].dropped',
  'plan.topics[].partition_plans[].dropped_certainty',
];

function fullJob(): RestoreJob {
  const created: RestoreJob = {
    ...queuedJob('rst_1', {
      ...RESTORE_ALL,
      includeTopics: ['*'],
      excludeTopics: ['x'],
      topicMapping: { a: 'b' },
      target: 'default',
    }),
    report: restoreReport('rst_1'),
    remarks: ['settings differ'],
    failure: { code: 'TARGET_CHANGED', message: 'somebody wrote', hint: 'keep away' },
  };
  return runningJob(created);
}

function described(): string[] {
  const readme = readFileSync(new URL('../../../src/cli/README.md', import.meta.url), 'utf8');
  const section = readme.split('### The document of a restore')[1] ?? '';
  const cells = section.split('\n').flatMap((line) => /^\| (`.*?`) \|/.exec(line)?.[1] ?? []);
  return cells.flatMap((cell) => cell.split(', ').map((field) => field.slice(1, -1)));
}

/** Paths of all fields; those of a list are the fields of its first element. */
function printed(value: unknown, path = ''): string[] {
  if (OPEN_MAPS.includes(path)) return [path];
  if (Array.isArray(value)) {
    assert.ok(value.length > 0, `the example has something in ${path}`);
    return [`${path}[]`, ...printed(value[0], `${path}[]`)].filter((each, index, all) => all.indexOf(each) === index);
  }
  const below = typeof value === 'object' && value !== null ? Object.entries(value) : [];
  const fields = below.flatMap(([key, each]) => printed(each, path === '' ? key : `${path}.${key}`));
  return path === '' ? fields : [path, ...fields];
}

test('every field that restore --json prints is described in the README, and no other', () => {
  const document = JSON.parse(
    summaryJson(fullJob(), 1.5, { recordsPerSecond: 1, bytesPerSecond: null, bytesReadPerSecond: null }),
  );
  const known = described();
  // A parent that only holds described fields needs no line of its own.
  const fields = printed(document).filter((field) => !['topics'].includes(field));
  assert.deepEqual(
    fields.filter((field) => !known.includes(field)),
    [],
    'printed and not described',
  );
  assert.deepEqual(
    known.filter((field) => !fields.includes(field)),
    [],
    'described and not printed',
  );
});

test('timestamps of a plan are digits beyond any date, and null only when nothing is selected', () => {
  const ends = (fromMs: number | null, toMs: number | null): unknown[] => {
    const job = fullJob();
    const plan = { ...job.plan!, topics: job.plan!.topics.map((topic) => ({ ...topic, fromMs, toMs })) };
    const limits = { recordsPerSecond: null, bytesPerSecond: null, bytesReadPerSecond: null };
    const [topic] = JSON.parse(summaryJson({ ...job, plan }, 1.5, limits)).plan.topics;
    return [topic.from, topic.to];
  };
  assert.deepEqual(ends(0, Number.MAX_SAFE_INTEGER), ['1970-01-01T00:00:00.000Z', '9007199254740991']);
  assert.deepEqual(ends(8.64e15, 8.64e15 + 1), ['+275760-09-13T00:00:00.000Z', '8640000000000001']);
  assert.deepEqual(ends(null, null), [null, null]);
});

test('no field is an inside name', () => {
  const document = JSON.parse(
    summaryJson(fullJob(), 1.5, { recordsPerSecond: null, bytesPerSecond: null, bytesReadPerSecond: null }),
  );
  for (const field of printed(document)) assert.match(field, /^[a-z_]+(\[\])?([.][a-z_]+(\[\])?)*$/);
});
