// A control server on a free loopback port with restores kept in memory, and a client that sends bytes rather than requests.

import { once } from 'node:events';
import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { connect, type Socket } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { readRestore } from '../../../src/agent/restore/restore-requests.ts';
import type { BackupStatus } from '../../../src/backup/progress/backup-status.ts';
import {
  type ControlServer,
  type ControlServerOptions,
  startControlServer,
} from '../../../src/control/control-server.ts';
import { openTokenFile } from '../../../src/control/token-file.ts';
import { BackupError } from '../../../src/model/errors.ts';
import type { Logger } from '../../../src/model/logger.ts';
import { NO_DROPS, type RecoveryTarget } from '../../../src/model/restore/recovery-target.ts';
import type { RestoreReport } from '../../../src/restore/journal/restore-report.ts';
import { NOTHING_DROPPED, UNKNOWN } from '../../../src/restore/plan/forecast/planned-counts.ts';
import {
  type AbandonedRestore,
  type PlanSummary,
  RESTORE_ALL,
  type RestoreJob,
  type RestoreJobs,
  type RestoreRequest,
  type RestoreState,
} from '../../../src/restore/restore-job.ts';

export const TOKEN = 'correct-horse-battery-staple';
export const NOW_MS = Date.parse('2026-11-20T12:00:00Z');

/** As it was submitted, and nothing of it is done. */
export function queuedJob(id: string, request: RestoreRequest): RestoreJob {
  return {
    id,
    state: 'QUEUED',
    backupId: 'orders',
    request,
    createdAtMs: NOW_MS,
    startedAtMs: null,
    finishedAtMs: null,
    progress: null,
    partitions: [],
    plan: null,
    report: null,
    remarks: [],
    isWhole: true,
    failure: null,
  };
}

/** One restore at a time, and no work: tests set the state. */
export class MemoryRestores implements RestoreJobs {
  readonly jobs: RestoreJob[] = [];

  submit(request: RestoreRequest): RestoreJob {
    if (this.jobs.some(({ state }) => !['COMPLETED', 'FAILED', 'CANCELLED'].includes(state))) {
      throw new BackupError('RESTORE_CONFLICT', 'restore rst_1 is RUNNING');
    }
    const job = queuedJob(`rst_${this.jobs.length + 1}`, request);
    this.jobs.unshift(job);
    return job;
  }

  /** There is one plan, `plan-1`. */
  async submitPlan(planId: string): Promise<RestoreJob> {
    if (planId !== 'plan-1') throw new BackupError('USAGE_INVALID', `no plan ${planId}`);
    return this.submit({ ...RESTORE_ALL, target: 'source' });
  }

  async resume(id: string): Promise<RestoreJob> {
    const job = this.get(id);
    if (job === undefined) throw new BackupError('RESTORE_NOT_FOUND', `no restore ${id} has begun`);
    return this.change(id, { state: 'QUEUED' });
  }

  async abandon(id: string): Promise<AbandonedRestore> {
    if (this.get(id) === undefined) throw new BackupError('RESTORE_NOT_FOUND', `no restore ${id} has begun`);
    return { id, topics: [{ topic: 'orders', isReleased: true, startOffsets: [5n] }] };
  }

  async report(id: string): Promise<RestoreReport | undefined> {
    return this.get(id)?.report ?? undefined;
  }

  list(): readonly RestoreJob[] {
    return this.jobs;
  }

  get(id: string): RestoreJob | undefined {
    return this.jobs.find((job) => job.id === id);
  }

  cancel(id: string): RestoreJob | undefined {
    const job = this.get(id);
    if (job === undefined || ['COMPLETED', 'FAILED', 'CANCELLED'].includes(job.state)) return job;
    return this.change(id, { state: 'CANCELLING' });
  }

  setState(id: string, state: RestoreState): RestoreJob {
    return this.change(id, { state });
  }

  change(id: string, change: Partial<RestoreJob>): RestoreJob {
    const index = this.jobs.findIndex((job) => job.id === id);
    const job = { ...this.jobs[index]!, ...change };
    this.jobs[index] = job;
    return job;
  }
}

function planSummary(recoveryTarget: RecoveryTarget): PlanSummary {
  return {
    planId: 'plan-1',
    catalogVersion: 7,
    recoveryTarget,
    topics: [
      {
        topic: 'orders',
        targetTopic: 'orders-copy',
        action: 'create',
        recoveryTarget,
        partitions: 2,
        targetPartitions: 2,
        partitionPlans: [
          {
            partition: 0,
            targetPartitions: [0],
            firstOffset: 5n,
            nextOffset: 45n,
            segments: 3,
            records: 40,
            isExact: true,
            dropped: { ...NOTHING_DROPPED, 'aborted-transaction': { kind: 'at-most', records: 4 }, filtered: UNKNOWN },
            storedBytes: 3000,
            bytesToRead: 3000,
            fromMs: NOW_MS - 60_000,
            toMs: NOW_MS,
            gaps: [{ baseOffset: 7n, lastOffset: 9n, reason: 'retention' }],
          },
        ],
        segments: 3,
        records: 40,
        isExact: true,
        dropped: NOTHING_DROPPED,
        storedBytes: 3000,
        bytesToRead: 3000,
        fromMs: NOW_MS - 60_000,
        toMs: null,
        gaps: 0,
      },
    ],
    checks: [
      { level: 'ok', name: 'target', message: 'the target answers' },
      { level: 'warn', name: 'retention', message: 'records are older than the retention' },
    ],
  };
}

export function runningJob(job: RestoreJob): RestoreJob {
  return {
    ...job,
    state: 'RUNNING',
    startedAtMs: NOW_MS - 10_000,
    progress: {
      recordsRestored: 10,
      recordsTotal: 40,
      bytesRead: 1000,
      bytesTotal: 3000,
      rawBytes: 0,
      partitionsDone: 1,
      partitionsTotal: 2,
    },
    partitions: [
      {
        topic: 'orders',
        partition: 0,
        targetTopic: 'orders-copy',
        recordsPlanned: 20,
        recordsRestored: 10,
        dropped: { ...NO_DROPS, 'aborted-transaction': 3 },
      },
    ],
    plan: planSummary(job.request.recoveryTarget),
  };
}

export function restoreReport(id: string): RestoreReport {
  return {
    id,
    backupId: 'orders',
    planId: '0123456789ab',
    catalogVersion: 7,
    clusterId: 'cluster-2',
    createdAtMs: NOW_MS - 60_000,
    finishedAtMs: NOW_MS,
    isResumed: false,
    lastAttempt: {
      durationMs: 1000,
      recordsSent: 30,
      bytesSent: 3000,
      bytesRead: 900,
      recordsPerSecond: 30,
      bytesPerSecond: 3000,
    },
    allAttempts: {
      attempts: 3,
      durationMs: 40,
      recordsRestored: 10,
      bytesSent: 6,
      bytesRead: 7,
      recordsPerSecond: 250,
      bytesPerSecond: 150,
    },
    sources: [
      {
        topic: 'orders',
        partition: 2,
        targetTopic: 'orders-copy',
        recordsPlanned: 33,
        recordsRestored: 30,
        dropped: { ...NO_DROPS, 'aborted-transaction': 3 },
        gaps: [{ baseOffset: 5n, lastOffset: 9n, reason: 'retention' }],
      },
    ],
    targets: [
      {
        topic: 'orders-copy',
        partition: 2,
        startOffset: 100n,
        recordCount: 30,
        sourceTopic: 'orders',
        runCount: 2,
        runs: [
          { sourcePartition: 2, firstSourceOffset: 7n, count: 10 },
          { sourcePartition: 2, firstSourceOffset: 20n, count: 20 },
        ],
        pieceCount: 0,
      },
    ],
  };
}

export function backupStatus(change: Partial<BackupStatus> = {}): BackupStatus {
  return {
    backupId: 'orders',
    clusterId: 'cluster-1',
    mode: 'continuous',
    startedAtMs: NOW_MS - 60_000,
    catalogVersion: 12,
    lastCommitAtMs: NOW_MS - 5000,
    partitions: [
      {
        topic: 'orders',
        partition: 0,
        topicId: 'AAAAAAAAAAAAAAAAAAAAAQ',
        state: 'tailing',
        committedOffset: 9_223_372_036_854_775_800n,
        nextOffset: 9_223_372_036_854_775_801n,
        highWatermark: 9_223_372_036_854_775_807n,
        lagRecords: 7,
        lagSeconds: 1.5,
        failure: null,
      },
      {
        topic: 'orders',
        partition: 1,
        topicId: 'AAAAAAAAAAAAAAAAAAAAAQ',
        state: 'waiting',
        committedOffset: 0n,
        nextOffset: 0n,
        highWatermark: -1n,
        lagRecords: 0,
        lagSeconds: 0,
        failure: 'no leader',
      },
    ],
    missingTopics: ['payments'],
    restorableToMs: NOW_MS - 5000,
    earliestRestorableMs: NOW_MS - 3_600_000,
    counters: {
      records: 100,
      rawBytes: 1000,
      storedBytes: 300,
      segments: 4,
      commits: 2,
      gaps: 1,
      gapRecords: 5,
      errors: 0,
      fencedSegments: 0,
    },
    trouble: null,
    store: null,
    ...change,
  };
}

export interface LoggedLine {
  readonly level: keyof Logger;
  readonly message: string;
  readonly fields: Readonly<Record<string, unknown>>;
}

export function memoryLogger(lines: LoggedLine[] = []): Logger {
  const log =
    (level: keyof Logger): Logger['info'] =>
    (message, fields = {}) =>
      void lines.push({ level, message, fields });
  return { debug: log('debug'), info: log('info'), warn: log('warn'), error: log('error') };
}

export interface ControlFixture {
  readonly server: ControlServer;
  readonly port: number;
  readonly url: string;
  readonly restores: MemoryRestores;
  readonly lines: LoggedLine[];
  readonly tokenFile: string;
  stop(): Promise<void>;
}

/** With a token unless `token: null` is asked for. */
export async function startControl(change: Partial<ControlServerOptions> = {}): Promise<ControlFixture> {
  const directory = await mkdtemp(join(tmpdir(), 'control-'));
  const tokenFile = join(directory, 'token');
  await writeFile(tokenFile, `${TOKEN}\n`, { mode: 0o600 });
  const lines: LoggedLine[] = [];
  const logger = memoryLogger(lines);
  const restores = new MemoryRestores();
  const server = await startControlServer({
    listen: { host: '127.0.0.1', port: 0 },
    token: await openTokenFile(tokenFile, logger),
    allowedHosts: [],
    backup: () => backupStatus(),
    restores,
    readRestore,
    metrics: async () => ({ contentType: 'text/plain; version=0.0.4; charset=utf-8', body: 'up 1\n' }),
    defaultTarget: 'source',
    targets: ['source', 'dr'],
    version: '1.2.3',
    logger,
    now: () => NOW_MS,
    ...change,
  }).catch(async (error: unknown) => {
    await rm(directory, { recursive: true });
    throw error;
  });
  const stop = async (): Promise<void> => {
    await server.stop();
    await rm(directory, { recursive: true });
  };
  const { port } = server.address;
  return { server, port, url: `http://127.0.0.1:${port}`, restores, lines, tokenFile, stop };
}

export interface Answer {
  readonly status: number;
  readonly headers: Headers;
  readonly json: Readonly<Record<string, unknown>>;
}

/** A request with the token; `body` is sent as JSON unless it is a string or bytes already. */
export async function ask(
  fixture: ControlFixture,
  method: string,
  path: string,
  body?: unknown,
  headers: Record<string, string> = {},
): Promise<Answer> {
  const isRaw = typeof body === 'string' || body instanceof Uint8Array;
  const response = await fetch(fixture.url + path, {
    method,
    headers: {
      authorization: `Bearer ${TOKEN}`,
      ...(body === undefined ? {} : { 'content-type': 'application/json' }),
      ...headers,
    },
    ...(body === undefined ? {} : { body: isRaw ? (body as string) : JSON.stringify(body) }),
  });
  const text = await response.text();
  return { status: response.status, headers: response.headers, json: text === '' ? {} : JSON.parse(text) };
}

export async function openSocket(port: number): Promise<Socket> {
  const socket = connect(port, '127.0.0.1');
  socket.on('error', () => {});
  await once(socket, 'connect');
  return socket;
}

/** Sends bytes as they are and returns everything that comes back until the server closes, or `waitMs` have passed. */
export async function sendBytes(port: number, bytes: string | Uint8Array, waitMs = 1000): Promise<string> {
  const socket = await openSocket(port);
  return readAll(socket, bytes, waitMs);
}

async function readAll(socket: Socket, bytes: string | Uint8Array, waitMs: number): Promise<string> {
  const parts: Buffer[] = [];
  socket.on('data', (part: Buffer) => parts.push(part));
  const closed = new Promise<void>((resolve) => socket.once('close', () => resolve()));
  socket.write(bytes);
  const timer = setTimeout(() => socket.destroy(), waitMs);
  await closed;
  clearTimeout(timer);
  return Buffer.concat(parts).toString('utf8');
}

/** Status of the first answer in what {@link sendBytes} returned; 0 when the connection was closed without one. */
export function statusOf(answer: string): number {
  return Number(/^HTTP\/1\.1 (\d{3})/.exec(answer)?.[1] ?? 0);
}

/** Body of the first answer, which has a Content-Length. */
export function bodyOf(answer: string): Record<string, unknown> {
  const [head = '', rest = ''] = answer.split(/\r\n\r\n(.*)/s);
  const length = Number(/content-length: (\d+)/i.exec(head)?.[1] ?? 0);
  return JSON.parse(Buffer.from(rest).subarray(0, length).toString('utf8'));
}
