// Every route of the control port: the only list. The server registers what stands here, so a route without a summary, a
// schema or a decision on who may call it cannot exist. Handlers know no HTTP server: request in, reply out. A dialect of
// another API (Kafka Connect's) is a second list of the same type.

import type { BackupStatus } from '../backup/progress/backup-status.ts';
import { BackupError } from '../model/errors.ts';
import type { Logger } from '../model/logger.ts';
import { abandonedDocument } from '../restore/documents/abandoned-document.ts';
import { reportDocument } from '../restore/documents/report-document.ts';
import type { RestoreJob, RestoreJobs } from '../restore/restore-job.ts';
import type { MetricsPage } from '../telemetry/metrics.ts';
import { RESTORE_STATES } from '../telemetry/status-samples.ts';
import type { RouteAuth } from './access-guard.ts';
import { BACKUP_LIST_SCHEMA, BACKUP_SCHEMA, backupResource, backupSummary } from './resources/backup-resource.ts';
import { ERROR_SCHEMA, invalidRequestBody } from './error-body.ts';
import { judgeReadiness, LIVE_SCHEMA, READY_SCHEMA } from './health.ts';
import { parseRestoreRequest, type ReadRestore, RESTORE_REQUEST_SCHEMA } from './resources/restore-request.ts';
import {
  ABANDONED_SCHEMA,
  REPORT_SCHEMA,
  RESTORE_LIST_SCHEMA,
  RESTORE_SCHEMA,
  restorePath,
  restoreResource,
  restoreSummary,
} from './resources/restore-resource.ts';

/** What handlers ask; snapshots, taken anew at each call. */
export interface ControlSources {
  /** Null where the process makes no backup; what it returns is null before one has started. */
  readonly backup: (() => BackupStatus | null) | null;
  readonly restores: RestoreJobs;
  readonly readRestore: ReadRestore;
  readonly metrics: () => Promise<MetricsPage>;
  readonly defaultTarget: string;
  /** Names of the targets in the configuration. */
  readonly targets: readonly string[];
  readonly version: string;
  readonly startedAtMs: number;
  readonly logger: Logger;
  readonly now: () => number;
}

/** Already checked against the schemas of the route. A query parameter given several times is a list. */
export interface ControlRequest {
  readonly params: Readonly<Record<string, string>>;
  readonly query: Readonly<Record<string, string | readonly string[]>>;
  readonly body: unknown;
}

/** A string body is sent as it is, with the content type among the headers; an object as JSON. */
export interface ControlReply {
  readonly status: number;
  readonly body: object | string;
  readonly headers?: Readonly<Record<string, string>>;
}

type JsonSchema = Readonly<Record<string, unknown>>;

export interface ControlRoute {
  readonly method: 'GET' | 'POST' | 'PUT' | 'PATCH' | 'DELETE';
  readonly path: string;
  readonly summary: string;
  readonly auth: RouteAuth;
  /** Query parameters by name; others are refused. Absent: any query is ignored, as probes need it. */
  readonly query?: JsonSchema;
  readonly body?: JsonSchema;
  /** By status, `'200'` or `'4xx'`; fields that a schema does not name are not sent. */
  readonly responses: JsonSchema;
  readonly handler: (request: ControlRequest, sources: ControlSources) => ControlReply | Promise<ControlReply>;
}

const ERRORS = { '4xx': ERROR_SCHEMA, '5xx': ERROR_SCHEMA } as const;
const TEXT = { type: 'string' } as const;
const POLL_SECONDS = '2';

export const CONTROL_ROUTES: readonly ControlRoute[] = [
  {
    method: 'GET',
    path: '/healthz',
    summary: 'Alive: the event loop turns.',
    auth: 'open',
    responses: { 200: LIVE_SCHEMA, ...ERRORS },
    handler: showLive,
  },
  {
    method: 'GET',
    path: '/livez',
    summary: 'The same as /healthz.',
    auth: 'open',
    responses: { 200: LIVE_SCHEMA, ...ERRORS },
    handler: showLive,
  },
  {
    method: 'GET',
    path: '/readyz',
    summary: 'Ready: partitions are assigned and one was fetched. ?verbose lists the checks, ?exclude=NAME skips one.',
    auth: 'open',
    responses: { ...ERRORS, 200: READY_SCHEMA, 503: withChecks(ERROR_SCHEMA) },
    handler: showReady,
  },
  {
    method: 'GET',
    path: '/metrics',
    summary: "Metrics in Prometheus' text format.",
    auth: 'open',
    responses: ERRORS,
    handler: showMetrics,
  },
  {
    method: 'GET',
    path: '/v1/backups',
    summary: 'The backup that this agent makes: restorable window, lag, counters.',
    auth: 'local',
    query: {},
    responses: { 200: BACKUP_LIST_SCHEMA, ...ERRORS },
    handler: listBackups,
  },
  {
    method: 'GET',
    path: '/v1/backups/:id',
    summary: 'One backup with its partitions.',
    auth: 'local',
    query: {},
    responses: { 200: BACKUP_SCHEMA, ...ERRORS },
    handler: showBackup,
  },
  {
    method: 'POST',
    path: '/v1/restores',
    summary: 'Start a restore, or with dry_run its plan and preflight.',
    auth: 'token',
    query: {},
    body: RESTORE_REQUEST_SCHEMA,
    responses: { 202: RESTORE_SCHEMA, ...ERRORS },
    handler: startRestore,
  },
  {
    method: 'GET',
    path: '/v1/restores',
    summary: 'Restores, newest first; ?state=RUNNING filters.',
    auth: 'local',
    query: { state: { ...TEXT, enum: RESTORE_STATES } },
    responses: { 200: RESTORE_LIST_SCHEMA, ...ERRORS },
    handler: listRestores,
  },
  {
    method: 'GET',
    path: '/v1/restores/:id',
    summary: 'One restore with plan, progress and partitions.',
    auth: 'local',
    query: {},
    responses: { 200: RESTORE_SCHEMA, ...ERRORS },
    handler: showRestore,
  },
  {
    method: 'POST',
    path: '/v1/restores/:id/cancel',
    summary: 'Ask a restore to stop; one that has ended stays as it is.',
    auth: 'token',
    query: {},
    responses: { 202: RESTORE_SCHEMA, ...ERRORS },
    handler: cancelRestore,
  },
  {
    method: 'POST',
    path: '/v1/restores/:id/resume',
    summary: 'Carry on a restore that was killed or failed, as it was asked for.',
    auth: 'token',
    query: {},
    responses: { 202: RESTORE_SCHEMA, ...ERRORS },
    handler: resumeRestore,
  },
  {
    method: 'POST',
    path: '/v1/restores/:id/abandon',
    summary:
      'Give an unfinished restore up for good: its topics get their own configuration and may be restored to again.',
    auth: 'token',
    query: {},
    responses: { 200: ABANDONED_SCHEMA, ...ERRORS },
    handler: abandonRestore,
  },
  {
    method: 'GET',
    path: '/v1/restores/:id/report',
    summary: 'What a complete restore has done, as it is kept in the store: counts, offset map, rates.',
    auth: 'local',
    query: {},
    responses: { 200: REPORT_SCHEMA, ...ERRORS },
    handler: showReport,
  },
];

function withChecks(schema: typeof ERROR_SCHEMA): JsonSchema {
  return { ...schema, properties: { ...schema.properties, ...READY_SCHEMA.properties } };
}

function showLive(_request: ControlRequest, { version, startedAtMs, now }: ControlSources): ControlReply {
  const uptimeSeconds = Math.max(0, Math.floor((now() - startedAtMs) / 1000));
  return { status: 200, body: { status: 'ok', version, uptime_seconds: uptimeSeconds } };
}

function showReady({ query }: ControlRequest, { backup }: ControlSources): ControlReply {
  const excluded = [query['exclude'] ?? []].flat();
  const { isReady, checks } = judgeReadiness(backup === null ? 'no-backup' : backup(), excluded);
  const listing = query['verbose'] === undefined ? {} : { checks };
  if (isReady) return { status: 200, body: { status: 'ok', ...listing } };
  const failing = checks.filter(({ ok, required }) => required && !ok);
  const message = failing.map((check) => `${check.name}: ${check.message}`).join('\n');
  const hint = 'GET /readyz?verbose lists the checks; ?exclude=NAME skips one.';
  const error = { error_code: 503, message, code: null, hint, errors: [] };
  return { status: 503, body: { status: 'not ready', ...error, ...listing } };
}

async function showMetrics(_request: ControlRequest, { metrics }: ControlSources): Promise<ControlReply> {
  const { contentType, body } = await metrics();
  return { status: 200, body, headers: { 'content-type': contentType } };
}

function listBackups(_request: ControlRequest, { backup }: ControlSources): ControlReply {
  const status = backup?.() ?? null;
  return { status: 200, body: { backups: status === null ? [] : [backupSummary(status)] } };
}

function showBackup({ params }: ControlRequest, { backup }: ControlSources): ControlReply {
  const status = backup?.() ?? null;
  if (status === null || status.backupId !== params['id']) {
    throw new BackupError('BACKUP_NOT_FOUND', 'this agent makes no backup of that id');
  }
  return { status: 200, body: backupResource(status) };
}

async function startRestore({ body }: ControlRequest, sources: ControlSources): Promise<ControlReply> {
  const { restores, readRestore: read, defaultTarget, targets, logger, now } = sources;
  const parsed = parseRestoreRequest(body as Readonly<Record<string, unknown>>, { read, defaultTarget, nowMs: now() });
  if (parsed.kind === 'invalid') return { status: 400, body: invalidRequestBody(parsed.issues) };
  if (parsed.kind === 'request' && !targets.includes(parsed.request.target)) {
    throw new BackupError('FORBIDDEN', 'the target is not one of those named in the configuration');
  }
  const job = parsed.kind === 'plan' ? await restores.submitPlan(parsed.planId) : restores.submit(parsed.request);
  logger.info('restore accepted over the control port', {
    component: 'control',
    restore: job.id,
    target: job.request.target,
    dry_run: job.request.dryRun,
  });
  return acceptedReply(job, sources);
}

function listRestores({ query }: ControlRequest, { restores, now }: ControlSources): ControlReply {
  const wanted = query['state'];
  const jobs = restores.list().filter(({ state }) => wanted === undefined || state === wanted);
  return { status: 200, body: { restores: jobs.map((job) => restoreSummary(job, now())) } };
}

function showRestore({ params }: ControlRequest, { restores, now }: ControlSources): ControlReply {
  const job = restores.get(params['id'] ?? '') ?? throwUnknownRestore();
  return { status: 200, body: restoreResource(job, now()) };
}

function cancelRestore({ params }: ControlRequest, sources: ControlSources): ControlReply {
  const job = sources.restores.cancel(params['id'] ?? '') ?? throwUnknownRestore();
  sources.logger.info('cancel of a restore asked for over the control port', { component: 'control', restore: job.id });
  return acceptedReply(job, sources);
}

async function resumeRestore({ params }: ControlRequest, sources: ControlSources): Promise<ControlReply> {
  const job = await sources.restores.resume(params['id'] ?? '');
  sources.logger.info('resume of a restore asked for over the control port', { component: 'control', restore: job.id });
  return acceptedReply(job, sources);
}

/** Takes seconds, and is done when it answers. */
async function abandonRestore({ params }: ControlRequest, { restores, logger }: ControlSources): Promise<ControlReply> {
  const abandoned = await restores.abandon(params['id'] ?? '');
  logger.info('a restore was abandoned over the control port', { component: 'control', restore: abandoned.id });
  return { status: 200, body: abandonedDocument(abandoned) };
}

async function showReport({ params }: ControlRequest, { restores }: ControlSources): Promise<ControlReply> {
  const report = await restores.report(params['id'] ?? '');
  if (report !== undefined) return { status: 200, body: reportDocument(report) };
  throw new BackupError('RESTORE_NOT_FOUND', 'no restore of that id is complete');
}

/** Long-running calls always answer 202 with the place to ask again, never sometimes 200. */
function acceptedReply(job: RestoreJob, { now }: ControlSources): ControlReply {
  const headers = { location: restorePath(job), 'retry-after': POLL_SECONDS };
  return { status: 202, body: restoreResource(job, now()), headers };
}

function throwUnknownRestore(): never {
  throw new BackupError('RESTORE_NOT_FOUND', 'this agent knows no restore of that id');
}
