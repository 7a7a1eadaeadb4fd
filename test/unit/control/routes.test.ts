import assert from 'node:assert/strict';
import { after, before, beforeEach, describe, test } from 'node:test';
import { CONTROL_ROUTES } from '../../../src/control/routes.ts';
import { RESTORE_ALL, type RestoreRequest } from '../../../src/restore/restore-job.ts';
import { restoreSummary } from '../../../src/control/resources/restore-resource.ts';
import {
  ask,
  backupStatus,
  type ControlFixture,
  NOW_MS,
  restoreReport,
  runningJob,
  startControl,
} from './control-fixture.ts';

const REQUEST: RestoreRequest = {
  ...RESTORE_ALL,
  recoveryTarget: { toMs: NOW_MS - 1000, cut: 'timestamp' },
  includeTopics: ['*'],
  target: 'source',
};

describe('the routes of the control port', () => {
  let control: ControlFixture;
  let status: ReturnType<typeof backupStatus> | null = backupStatus();

  before(async () => {
    control = await startControl({ backup: () => status });
  });
  after(() => control.stop());
  beforeEach(() => {
    status = backupStatus();
    control.restores.jobs.length = 0;
  });

  test('liveness answers whatever the backup does', async () => {
    status = null;
    for (const path of ['/healthz', '/livez', '/healthz?from=probe']) {
      const { status: code, json } = await ask(control, 'GET', path);
      assert.equal(code, 200);
      assert.deepEqual(json, { status: 'ok', version: '1.2.3', uptime_seconds: 0 });
    }
  });

  test('readiness is 503 with the reason before the backup has started and before the first fetch', async () => {
    status = null;
    const early = await ask(control, 'GET', '/readyz');
    assert.equal(early.status, 503);
    assert.equal(early.json['error_code'], 503);
    assert.match(String(early.json['message']), /no backup has started/);
    assert.equal(early.json['checks'], undefined);

    status = backupStatus({ partitions: [] });
    const unassigned = await ask(control, 'GET', '/readyz?verbose');
    assert.equal(unassigned.status, 503);
    const excluded = await ask(control, 'GET', '/readyz?exclude=assignment&exclude=first-fetch');
    assert.equal(excluded.status, 200);
  });

  test('a process that only restores is ready at once, and has no backup to show', async () => {
    const restoring = await startControl({ backup: null });
    assert.equal((await ask(restoring, 'GET', '/readyz')).status, 200);
    assert.deepEqual((await ask(restoring, 'GET', '/v1/backups')).json, { backups: [] });
    assert.equal((await ask(restoring, 'GET', '/v1/backups/orders')).status, 404);
    await restoring.stop();
  });

  test('readiness outlives trouble with Kafka and the store, and lists it', async () => {
    status = backupStatus({ trouble: 'waiting for the store' });
    assert.deepEqual((await ask(control, 'GET', '/readyz')).json, { status: 'ok' });
    const { status: code, json } = await ask(control, 'GET', '/readyz?verbose');
    assert.equal(code, 200);
    const checks = json['checks'] as { name: string; ok: boolean; message: string }[];
    const surroundings = checks.find(({ name }) => name === 'surroundings');
    assert.deepEqual(surroundings, {
      name: 'surroundings',
      ok: false,
      required: false,
      message: 'waiting for the store',
    });
  });

  test('metrics are text with the content type of the exposition format', async () => {
    const response = await fetch(`${control.url}/metrics`);
    assert.equal(response.headers.get('content-type'), 'text/plain; version=0.0.4; charset=utf-8');
    assert.equal(await response.text(), 'up 1\n');
  });

  test('the list of backups has the one of this agent, without its partitions', async () => {
    const { json } = await ask(control, 'GET', '/v1/backups');
    const [backup] = json['backups'] as Record<string, unknown>[];
    assert.equal(backup!['id'], 'orders');
    assert.deepEqual(backup!['restorable'], { from: '2026-11-20T11:00:00.000Z', to: '2026-11-20T11:59:55.000Z' });
    assert.equal(backup!['lag_records'], 7);
    assert.equal(backup!['partitions'], undefined);
    status = null;
    assert.deepEqual((await ask(control, 'GET', '/v1/backups')).json, { backups: [] });
  });

  test('a backup shows its partitions, 64-bit offsets as text, an unknown high watermark as null', async () => {
    const { json } = await ask(control, 'GET', '/v1/backups/orders');
    const [first, second] = json['partitions'] as Record<string, unknown>[];
    assert.equal(first!['committed_offset'], '9223372036854775800');
    assert.equal(first!['high_watermark'], '9223372036854775807');
    assert.equal(second!['high_watermark'], null);
    assert.equal(second!['failure'], 'no leader');
    assert.deepEqual(json['missing_topics'], ['payments']);
    assert.equal((json['since_start'] as Record<string, unknown>)['gap_records'], 5);
  });

  test('another backup is a 404 with a code and a remedy', async () => {
    const { status: code, json } = await ask(control, 'GET', '/v1/backups/payments');
    assert.equal(code, 404);
    assert.equal(json['error_code'], 404);
    assert.equal(json['code'], 'BACKUP_NOT_FOUND');
    assert.ok(String(json['hint']).length > 0);
  });

  test('a restore is accepted with 202, its place, a polling interval and the job', async () => {
    const {
      status: code,
      headers,
      json,
    } = await ask(control, 'POST', '/v1/restores', {
      point_in_time: '2026-11-20T03:00:00+01:00',
      time_window_start: NOW_MS - 86_400_000,
      topics: { include: ['orders', 'pay*'], exclude: ['payments-dlq'] },
      topic_mapping: { orders: 'orders-copy' },
      target: 'dr',
      dry_run: true,
    });
    assert.equal(code, 202);
    assert.equal(headers.get('location'), '/v1/restores/rst_1');
    assert.equal(headers.get('retry-after'), '2');
    assert.deepEqual(json, {
      id: 'rst_1',
      kind: 'restore',
      state: 'QUEUED',
      dry_run: true,
      backup: 'orders',
      point_in_time: '2026-11-20T02:00:00.000Z',
      time_window_start: '2026-11-19T12:00:00.000Z',
      target: 'dr',
      topics: { include: ['orders', 'pay*'], exclude: ['payments-dlq'] },
      topic_mapping: { orders: 'orders-copy' },
      progress: null,
      created_at: '2026-11-20T12:00:00.000Z',
      started_at: null,
      finished_at: null,
      warnings: [],
      error: null,
      links: { self: '/v1/restores/rst_1', cancel: '/v1/restores/rst_1/cancel' },
      request: {
        topics: { include: ['orders', 'pay*'], exclude: ['payments-dlq'] },
        source_partitions: null,
        time_window_start: '2026-11-19T12:00:00.000Z',
        time_window_end: '2026-11-20T02:00:00.000Z',
        cut: 'timestamp',
        topic_targets: {},
        offsets: {},
        catalog_version: null,
        filter: null,
        topic_mapping: { orders: 'orders-copy' },
        partition_mapping: {},
        repartitioning: {},
        include_original_offset_header: false,
        into_existing: 'refuse',
        target: 'dr',
        dry_run: true,
      },
      plan: null,
      partitions: [],
    });
  });

  test('the whole request is shown as it was asked for, and resolved', async () => {
    const body = {
      point_in_time: '-1h',
      topic_targets: { orders: { time_window_end: 'latest', cut: 'log' } },
      offsets: { orders: { 1: { from: '9007199254740993' } } },
      filter: { header: 'env' },
      topic_mapping: { 'prefix:a.': 'b.', '~x(.)': 'y$1', orders: 'orders-2' },
      repartitioning: { 'orders-2': { target_partitions: 9 } },
    };
    const { json } = await ask(control, 'POST', '/v1/restores', body);
    const request = json['request'] as Record<string, unknown>;
    assert.equal(request['time_window_end'], '2026-11-20T11:00:00.000Z');
    assert.deepEqual(request['topic_targets'], {
      orders: { time_window_start: null, time_window_end: 'latest', cut: 'log' },
    });
    assert.deepEqual(request['offsets'], { orders: { '1': { from: '9007199254740993', to: null } } });
    assert.deepEqual(request['filter'], { key: null, header: 'env', header_value: null });
    assert.deepEqual(request['topic_mapping'], body.topic_mapping);
    assert.deepEqual(request['repartitioning'], { 'orders-2': { strategy: 'murmur2', target_partitions: 9 } });
  });

  test('an empty object restores everything to the latest state of the default target', async () => {
    assert.equal((await ask(control, 'POST', '/v1/restores', {})).status, 202);
    const { request } = control.restores.jobs[0]!;
    assert.deepEqual(request, { ...REQUEST, includeTopics: [], recoveryTarget: { cut: 'timestamp' } });
  });

  test('a second restore while one is under way is a 409', async () => {
    await ask(control, 'POST', '/v1/restores', {});
    const { status: code, json } = await ask(control, 'POST', '/v1/restores', {});
    assert.equal(code, 409);
    assert.equal(json['code'], 'RESTORE_CONFLICT');
  });

  test('a running restore shows rate, remaining time, plan, warnings and drops', async () => {
    const { id } = control.restores.submit(REQUEST);
    control.restores.change(id, runningJob(control.restores.get(id)!));
    const { json } = await ask(control, 'GET', `/v1/restores/${id}`);
    assert.deepEqual(json['progress'], {
      percent: 33.3,
      bytes_done: 1000,
      bytes_total: 3000,
      bytes_sent: 0,
      records_done: 10,
      records_total_estimate: 40,
      partitions_done: 1,
      partitions_total: 2,
      bytes_per_second: 100,
      eta_seconds: 20,
    });
    assert.deepEqual(json['warnings'], ['records are older than the retention']);
    const plan = json['plan'] as { topics: Record<string, unknown>[]; checks: unknown[] };
    assert.equal(plan.topics[0]!['from'], '2026-11-20T11:59:00.000Z');
    assert.equal(plan.topics[0]!['to'], null);
    assert.equal(plan.checks.length, 2);
    const [partition] = json['partitions'] as { dropped: Record<string, number> }[];
    assert.equal(partition!.dropped['aborted-transaction'], 3);
  });

  test('a failed restore names code, message and remedy, and never 100 percent', async () => {
    const { id } = control.restores.submit(REQUEST);
    const failure = { code: 'TARGET_CHANGED', message: 'somebody wrote', hint: 'keep away' };
    const done = runningJob(control.restores.get(id)!);
    control.restores.change(id, {
      ...done,
      state: 'FAILED',
      finishedAtMs: NOW_MS,
      failure,
      progress: { ...done.progress!, bytesRead: 3000 },
    });
    const { json } = await ask(control, 'GET', `/v1/restores/${id}`);
    assert.deepEqual(json['error'], failure);
    assert.equal((json['progress'] as Record<string, unknown>)['percent'], 99.9);
  });

  test('the list of restores is newest first, short, and filtered by state', async () => {
    control.restores.submit(REQUEST);
    control.restores.setState('rst_1', 'COMPLETED');
    control.restores.submit(REQUEST);
    const all = (await ask(control, 'GET', '/v1/restores')).json['restores'] as Record<string, unknown>[];
    assert.deepEqual(
      all.map(({ id }) => id),
      ['rst_2', 'rst_1'],
    );
    assert.equal(all[0]!['partitions'], undefined);
    const { json } = await ask(control, 'GET', '/v1/restores?state=COMPLETED');
    assert.equal((json['restores'] as unknown[]).length, 1);
  });

  test('cancelling answers 202, twice too, and leaves an ended restore as it is', async () => {
    control.restores.submit(REQUEST);
    for (let round = 0; round < 2; round += 1) {
      const { status: code, json, headers } = await ask(control, 'POST', '/v1/restores/rst_1/cancel');
      assert.equal(code, 202);
      assert.equal(json['state'], 'CANCELLING');
      assert.equal(headers.get('location'), '/v1/restores/rst_1');
    }
    control.restores.setState('rst_1', 'COMPLETED');
    const { json } = await ask(control, 'POST', '/v1/restores/rst_1/cancel');
    assert.equal(json['state'], 'COMPLETED');
  });

  test('an unknown restore is a 404 for reading and cancelling', async () => {
    for (const [method, path] of [
      ['GET', '/v1/restores/nope'],
      ['POST', '/v1/restores/nope/cancel'],
      ['GET', '/v1/restores/..%2f..%2fetc'],
      ['GET', '/v1/restores/constructor'],
      ['GET', '/v1/restores/%00'],
    ] as const) {
      const { status: code, json } = await ask(control, method, path);
      assert.equal(code, 404, path);
      assert.equal(json['code'], 'RESTORE_NOT_FOUND');
    }
  });

  test('HEAD works wherever GET does', async () => {
    for (const { path } of CONTROL_ROUTES.filter(({ method }) => method === 'GET')) {
      const response = await fetch(control.url + path.replace(':id', 'orders'), { method: 'HEAD' });
      assert.ok([200, 404].includes(response.status), path);
    }
  });

  test('every route has a summary, and everything that writes needs the token', () => {
    for (const route of CONTROL_ROUTES) {
      assert.ok(route.summary.endsWith('.'), route.path);
      if (route.method !== 'GET') assert.equal(route.auth, 'token', route.path);
    }
  });

  test('a restore that failed is carried on, and one that nobody knows is not', async () => {
    const { id } = control.restores.submit(REQUEST);
    control.restores.setState(id, 'FAILED');
    const failed = await ask(control, 'GET', `/v1/restores/${id}`);
    assert.equal((failed.json['links'] as Record<string, string>)['resume'], `/v1/restores/${id}/resume`);
    const resumed = await ask(control, 'POST', `/v1/restores/${id}/resume`);
    assert.equal(resumed.status, 202);
    assert.equal(resumed.json['state'], 'QUEUED');
    assert.equal((await ask(control, 'POST', '/v1/restores/rst_none/resume')).status, 404);
  });

  test('a restore that failed can be abandoned, which is done when it is answered', async () => {
    const { id } = control.restores.submit(REQUEST);
    const failed = control.restores.setState(id, 'FAILED');
    const links = restoreSummary(failed, NOW_MS)['links'] as Record<string, string>;
    const { status: code, json } = await ask(control, 'POST', links['abandon']!);
    assert.equal(code, 200);
    assert.deepEqual(json, { restore_id: id, topics: [{ topic: 'orders', released: true, first_offsets: ['5'] }] });
    assert.equal((await ask(control, 'POST', '/v1/restores/rst_none/abandon')).status, 404);
  });

  test('a plan that was shown is carried out by its id, which stands alone', async () => {
    const { status: code } = await ask(control, 'POST', '/v1/restores', { plan: 'plan-1' });
    assert.equal(code, 202);
    assert.equal(control.restores.jobs[0]!.request.target, 'source');
    control.restores.jobs.length = 0;
    assert.equal((await ask(control, 'POST', '/v1/restores', { plan: 'plan-2' })).status, 400);
    const both = await ask(control, 'POST', '/v1/restores', { plan: 'plan-1', dry_run: true });
    assert.equal(both.status, 400);
    assert.match(String(both.json['message']), /leave out dry_run/);
    assert.equal(control.restores.jobs.length, 0);
  });

  test('the report of a restore is there once it is complete', async () => {
    const { id } = control.restores.submit(REQUEST);
    assert.equal((await ask(control, 'GET', `/v1/restores/${id}/report`)).status, 404);
    const job = control.restores.change(id, { state: 'COMPLETED', report: restoreReport(id) });
    assert.equal(
      (restoreSummary(job, NOW_MS)['links'] as Record<string, string>)['report'],
      `/v1/restores/${id}/report`,
    );
    const { status: code, json } = await ask(control, 'GET', `/v1/restores/${id}/report`);
    assert.equal(code, 200);
    const [source] = json['sources'] as readonly Record<string, unknown>[];
    assert.deepEqual(source!['gaps'], [{ first_offset: '5', last_offset: '9', reason: 'retention' }]);
    assert.deepEqual(json['targets'], [
      {
        topic: 'orders-copy',
        partition: 2,
        source_topic: 'orders',
        records: 30,
        first_offset: '100',
        last_offset: '129',
        run_count: 2,
        runs: [
          { source_partition: 2, source_offset: '7', target_offset: '100', count: 10 },
          { source_partition: 2, source_offset: '20', target_offset: '110', count: 20 },
        ],
      },
    ]);
  });
});
