// Restores as /v1 shows them: the documents of every restore, and what can be done with it now. The documents are put together
// field by field where they are made, so the server sends them as they are.

import { jobDocument, jobSummaryDocument } from '../../restore/documents/job-document.ts';
import type { RestoreJob } from '../../restore/restore-job.ts';

/** Any field: the document is the whitelist. */
const DOCUMENT_SCHEMA = { type: 'object', additionalProperties: true } as const;

export const RESTORE_SCHEMA = DOCUMENT_SCHEMA;
export const REPORT_SCHEMA = DOCUMENT_SCHEMA;
export const ABANDONED_SCHEMA = DOCUMENT_SCHEMA;

export const RESTORE_LIST_SCHEMA = {
  type: 'object',
  properties: { restores: { type: 'array', items: DOCUMENT_SCHEMA } },
} as const;

/** The path of a job, for Location and links. */
export function restorePath(job: RestoreJob): string {
  return `/v1/restores/${encodeURIComponent(job.id)}`;
}

/** Without plan and partitions, which can be long. `nowMs` is what rates of a running job are measured to. */
export function restoreSummary(job: RestoreJob, nowMs: number): Record<string, unknown> {
  return { ...jobSummaryDocument(job, nowMs), links: linksOf(job) };
}

/** The whole job. */
export function restoreResource(job: RestoreJob, nowMs: number): Record<string, unknown> {
  return { ...jobDocument(job, nowMs), links: linksOf(job) };
}

/** What can be done with it now. */
function linksOf(job: RestoreJob): Record<string, string> {
  const self = restorePath(job);
  const isUnfinished = job.state === 'FAILED' || job.state === 'CANCELLED';
  return {
    self,
    cancel: `${self}/cancel`,
    ...(isUnfinished ? { resume: `${self}/resume`, abandon: `${self}/abandon` } : {}),
    ...(job.report === null ? {} : { report: `${self}/report` }),
  };
}
