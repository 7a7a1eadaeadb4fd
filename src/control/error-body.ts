// How the control port says no: Kafka Connect's error shape (`error_code` is the HTTP status, `message`), and beside it our
// code, the remedy and one entry per fault of the request. Every refusal has this body, the HTTP parser's own included.

import { BackupError, ERROR_KINDS, type ErrorCode, messageOf } from '../model/errors.ts';

/** A place in the request, `body/topics/0` or `query/state`, and what is wrong with it. */
export interface RequestIssue {
  readonly path: string;
  readonly message: string;
}

export interface ErrorBody {
  readonly error_code: number;
  readonly message: string;
  /** Null where the failure is a defect of the agent. */
  readonly code: ErrorCode | null;
  readonly hint: string;
  readonly errors: readonly RequestIssue[];
}

/** More faults than anybody reads are not listed. */
const MAX_ISSUES = 20;

export const ERROR_SCHEMA = {
  type: 'object',
  required: ['error_code', 'message', 'code', 'hint', 'errors'],
  properties: {
    error_code: { type: 'integer' },
    message: { type: 'string' },
    code: { type: ['string', 'null'] },
    hint: { type: 'string' },
    errors: {
      type: 'array',
      items: { type: 'object', properties: { path: { type: 'string' }, message: { type: 'string' } } },
    },
  },
} as const;

/** The body for a failure with a code; the remedy follows from the code unless a closer one is given. */
export function errorBody(status: number, code: ErrorCode, message: string, hint?: string): ErrorBody {
  return { error_code: status, message, code, hint: hint ?? ERROR_KINDS[code].hint, errors: [] };
}

/** 400 with every fault found; `message` is all of them, a line each, as Connect does it. */
export function invalidRequestBody(issues: readonly RequestIssue[]): ErrorBody {
  const shown = issues.slice(0, MAX_ISSUES);
  const message = shown.map((issue) => `${issue.path}: ${issue.message}`).join('\n');
  const hint = 'Mend the places named; nothing was started.';
  return { ...errorBody(400, 'USAGE_INVALID', message, hint), errors: shown };
}

/** A refusal by the protocol itself: no such route, wrong method, too large, too slow. */
export function protocolErrorBody(status: number, message: string): ErrorBody {
  return errorBody(status, 'USAGE_INVALID', message, PROTOCOL_HINTS[status] ?? 'Send a well-formed HTTP/1.1 request.');
}

/** What fastify adds to the errors that it throws. */
interface FrameworkError {
  readonly statusCode?: number;
  readonly validationContext?: string;
  readonly validation?: readonly {
    readonly instancePath: string;
    readonly message?: string;
    readonly params: Readonly<Record<string, unknown>>;
  }[];
}

/** The body for whatever a handler or the framework threw. Of a defect (`code` null) nothing is told: the log has it. */
export function errorBodyFor(error: unknown): ErrorBody {
  if (error instanceof BackupError) return errorBody(error.kind.httpStatus, error.code, error.message);
  const { statusCode = 500, validation, validationContext = 'body' } = (error ?? {}) as FrameworkError;
  if (validation !== undefined) {
    const root = validationContext === 'querystring' ? 'query' : validationContext;
    return invalidRequestBody(
      validation.map(({ instancePath, message = 'is not valid', params }) => {
        const path = `${root}${instancePath}`;
        const { additionalProperty: unknown, allowedValues } = params;
        if (typeof unknown === 'string') return { path: `${path}/${unknown}`, message: 'is not known here' };
        if (Array.isArray(allowedValues)) return { path, message: `must be one of ${allowedValues.join(', ')}` };
        return { path, message };
      }),
    );
  }
  if (statusCode >= 400 && statusCode < 500) return protocolErrorBody(statusCode, messageOf(error));
  const hint = 'The log of the agent says more; please report it.';
  return { error_code: 500, message: 'internal error', code: null, hint, errors: [] };
}

const PROTOCOL_HINTS: Readonly<Record<number, string>> = {
  404: 'Routes are matched exactly: mind case and trailing slashes.',
  405: 'The header Allow names the methods of this path.',
  408: 'Send the whole request within 10 seconds.',
  413: 'A request body may have 64 KiB.',
  415: 'Send JSON, uncompressed, with Content-Type: application/json.',
  431: 'All request headers together may have 16 KiB.',
};
