// The one error type of the agent and the one table of its codes. Every failure that an operator can meet has a code
// here; what it means, whether a retry can help, the process exit code (DESIGN 7), the HTTP status and the remedy all
// follow from the code. The table is printed into deploy/ERRORS.md.

/** What is fixed about one kind of failure. `hint` is a full sentence for the operator. */
export interface ErrorKind {
  readonly summary: string;
  readonly retriable: boolean;
  readonly exitCode: number;
  readonly httpStatus: number;
  readonly hint: string;
}

export const ERROR_KINDS = {
  CONFIG_INVALID: {
    summary: 'the configuration cannot be used',
    retriable: false,
    exitCode: 2,
    httpStatus: 400,
    hint: 'Mend the places named above; nothing was started.',
  },
  USAGE_INVALID: {
    summary: 'the command line or request cannot be understood',
    retriable: false,
    exitCode: 2,
    httpStatus: 400,
    hint: 'See --help for the accepted forms.',
  },
  KAFKA_UNREACHABLE: {
    summary: 'no broker answers',
    retriable: true,
    exitCode: 1,
    httpStatus: 503,
    hint: 'Check bootstrap_servers, the network path, that the broker runs, and that security_protocol fits the listener.',
  },
  KAFKA_NOT_KAFKA: {
    summary: 'the port answers, but not in the Kafka protocol',
    retriable: false,
    exitCode: 1,
    httpStatus: 502,
    hint: 'Check the port in bootstrap_servers, and that security_protocol fits the listener (TLS or not).',
  },
  KAFKA_UNSUPPORTED: {
    summary: 'the broker does not offer a request that is needed',
    retriable: false,
    exitCode: 1,
    httpStatus: 502,
    hint: 'Kafka 3.1 or newer is needed on both sides.',
  },
  KAFKA_AUTHENTICATION_FAILED: {
    summary: 'the broker refused the credentials',
    retriable: false,
    exitCode: 12,
    httpStatus: 502,
    hint: 'Check sasl_mechanism, sasl_username, sasl_password and the TLS files under security.',
  },
  KAFKA_AUTHORIZATION_FAILED: {
    summary: 'the principal lacks a permission',
    retriable: false,
    exitCode: 12,
    httpStatus: 403,
    hint: 'A backup needs DESCRIBE, READ and DESCRIBE_CONFIGS on its topics; a restore needs CREATE, WRITE, DESCRIBE, DESCRIBE_CONFIGS and ALTER_CONFIGS, and READ to be resumed.',
  },
  KAFKA_REQUEST_FAILED: {
    summary: 'a request to Kafka failed',
    retriable: true,
    exitCode: 1,
    httpStatus: 502,
    hint: 'The error name of Kafka in the message says more; transient ones are retried.',
  },
  KAFKA_REQUEST_REFUSED: {
    summary: 'Kafka refused a request for good',
    retriable: false,
    exitCode: 1,
    httpStatus: 502,
    hint: 'The error name of Kafka in the message says what to change.',
  },
  TOPIC_NOT_FOUND: {
    summary: 'a topic named in the configuration does not exist',
    retriable: false,
    exitCode: 1,
    httpStatus: 404,
    hint: 'Create it, take it out of topics.include, or set on_missing_topic: wait.',
  },
  BATCH_CORRUPT: {
    summary: 'a record batch fails its checks',
    retriable: true,
    exitCode: 13,
    httpStatus: 502,
    hint: 'Read from Kafka: check the disk of the broker that leads the partition. Read from the store: run validate --deep.',
  },
  CODEC_MISSING: {
    summary: 'a compression library is not installed',
    retriable: false,
    exitCode: 1,
    httpStatus: 500,
    hint: 'Install the package with its optional dependencies (npm install without --omit=optional), on a platform that they are built for.',
  },
  STORE_UNAVAILABLE: {
    summary: 'the object store did not serve a request',
    retriable: true,
    exitCode: 1,
    httpStatus: 503,
    hint: 'Check that the store is mounted or reachable; a continuous backup waits for it. Where uploads time out on a narrow link, raise storage.request_timeout_ms, or lower storage.max_parts_in_flight and storage.part_size_bytes.',
  },
  STORE_REFUSED: {
    summary: 'the object store refuses access',
    retriable: false,
    exitCode: 1,
    httpStatus: 403,
    hint: 'The message says what stands in the way. Of a directory, check owner and mode, and the user that the agent runs as; of an object, what holds, locks or archives it.',
  },
  STORE_FULL: {
    summary: 'the object store has no room left',
    retriable: true,
    exitCode: 1,
    httpStatus: 507,
    hint: 'Free space or move the store; nothing that was committed is touched.',
  },
  STORE_AUTHENTICATION_FAILED: {
    summary: 'the object store refused the credentials',
    retriable: false,
    exitCode: 12,
    httpStatus: 502,
    hint: 'Check the credentials under storage, or those of the environment, and that they have not expired.',
  },
  STORE_AUTHORIZATION_FAILED: {
    summary: 'the credentials lack a permission in the object store',
    retriable: false,
    exitCode: 12,
    httpStatus: 502,
    hint: 'Grant reading, creating, listing and deleting objects below the prefix; the message names the request that was refused.',
  },
  STORE_UNSUITABLE: {
    summary: 'the bucket or container cannot be used as configured',
    retriable: false,
    exitCode: 1,
    httpStatus: 502,
    hint: 'The message says what does not fit: its name, its region, the address, or something that the store cannot do.',
  },
  STORE_CHECKSUM_MISMATCH: {
    summary: 'bytes changed on their way to or from the object store',
    retriable: false,
    exitCode: 13,
    httpStatus: 502,
    hint: 'Look for a proxy that rewrites bodies, or failing memory. Written: nothing of it was kept. Read: if it stays so, the object is damaged in the store; run validate --deep, and bring it back from a copy of the store.',
  },
  OBJECT_MISSING: {
    summary: 'an object that the catalog names is not in the store',
    retriable: false,
    exitCode: 13,
    httpStatus: 500,
    hint: 'Run validate to list everything that the catalog names and that is missing, and bring it back from a copy of the store.',
  },
  OBJECT_CORRUPT: {
    summary: 'an object is not what was written',
    retriable: false,
    exitCode: 13,
    httpStatus: 500,
    hint: 'Run validate --deep to find every damaged object, and bring them back from a copy of the store.',
  },
  SOURCE_DAMAGED: {
    summary: 'a file of the backup that is to be imported is missing, or is not what was written',
    retriable: false,
    exitCode: 13,
    httpStatus: 500,
    hint: "Bring the file back from a copy of the other program's store and start the import again; with --damaged gap it goes on without a segment file, whose offsets become a gap.",
  },
  CATALOG_CORRUPT: {
    summary: 'the catalog has a hole or a commit that fails its checks',
    retriable: false,
    exitCode: 13,
    httpStatus: 500,
    hint: 'Nothing was overwritten. Bring the named commit back from a copy of the store, or use another backup_id.',
  },
  FORMAT_TOO_NEW: {
    summary: 'the backup was written by a newer version',
    retriable: false,
    exitCode: 1,
    httpStatus: 500,
    hint: 'Use that version of kafka-backup-agent, or a later one.',
  },
  BACKUP_NOT_FOUND: {
    summary: 'there is no such backup in the store',
    retriable: false,
    exitCode: 10,
    httpStatus: 404,
    hint: 'kafka-backup list shows what the store holds; check the path, prefix and backup_id.',
  },
  NOT_IN_BACKUP: {
    summary: 'the backup does not hold what was asked for',
    retriable: false,
    exitCode: 10,
    httpStatus: 404,
    hint: 'kafka-backup describe shows topics, partitions and the offsets held.',
  },
  BACKUP_OF_OTHER_CLUSTER: {
    summary: 'the backup belongs to another Kafka cluster',
    retriable: false,
    exitCode: 1,
    httpStatus: 409,
    hint: 'Use another backup_id for this cluster, or check bootstrap_servers.',
  },
  FENCED: {
    summary: 'another process does this work',
    retriable: false,
    exitCode: 11,
    httpStatus: 409,
    hint: 'Two agents back up the same partition into one backup, or two processes run restores into one topic: stop one of them, or give each agent topics of its own.',
  },
  NOTHING_TO_RESTORE: {
    summary: 'the backup holds nothing that was asked for',
    retriable: false,
    exitCode: 4,
    httpStatus: 404,
    hint: 'kafka-backup describe shows topics, partitions and the restorable window.',
  },
  PREFLIGHT_BLOCKED: {
    summary: 'the restore may not start as asked; nothing was written',
    retriable: false,
    exitCode: 4,
    httpStatus: 409,
    hint: 'Each blocked check above names its remedy.',
  },
  PLAN_STALE: {
    summary: 'a plan that was agreed to no longer holds: backup or target changed since; nothing was written',
    retriable: false,
    exitCode: 4,
    httpStatus: 409,
    hint: 'Run validate-restore again, read what it plans now, and carry out that plan by its id.',
  },
  TARGET_CHANGED: {
    summary: 'something else wrote to a partition that is being restored',
    retriable: false,
    exitCode: 3,
    httpStatus: 409,
    hint: 'Keep producers away from the target until the restore is done; delete the topic, or give the restore up with restore --abandon and its id, and restore again.',
  },
  INCOMPLETE: {
    summary: 'finished, but not with everything',
    retriable: false,
    exitCode: 3,
    httpStatus: 500,
    hint: 'The summary names what is missing.',
  },
  RESTORE_NOT_FOUND: {
    summary: 'there is no such restore',
    retriable: false,
    exitCode: 10,
    httpStatus: 404,
    hint: 'kafka-backup list --restores shows the restores of a backup; GET /v1/restores those that the agent itself runs or ran.',
  },
  RESTORE_CONFLICT: {
    summary: 'another restore is under way',
    retriable: false,
    exitCode: 1,
    httpStatus: 409,
    hint: 'Wait for it to end, or cancel it.',
  },
  UNAUTHORIZED: {
    summary: 'the request carries no valid token',
    retriable: false,
    exitCode: 12,
    httpStatus: 401,
    hint: 'Send "Authorization: Bearer TOKEN" with the token from control.token_file.',
  },
  FORBIDDEN: {
    summary: 'the request is not allowed',
    retriable: false,
    exitCode: 12,
    httpStatus: 403,
    hint: 'Writing calls need control.token_file, and restores go only to targets named in the configuration.',
  },
  AGENT_UNREACHABLE: {
    summary: 'no agent answers on the control port',
    retriable: true,
    exitCode: 20,
    httpStatus: 503,
    hint: 'Check that the agent runs and that control.listen is the address used.',
  },
  INTERRUPTED: {
    summary: 'stopped on request before the end',
    retriable: false,
    exitCode: 130,
    httpStatus: 499,
    hint: 'Start it again: committed work is kept.',
  },
} as const satisfies Record<string, ErrorKind>;

export type ErrorCode = keyof typeof ERROR_KINDS;

/** Where a failure happened; only what a message or a log line may show. Never a secret, key or value. */
export interface ErrorContext {
  readonly topic?: string;
  readonly partition?: number;
  readonly offset?: bigint;
  readonly key?: string;
  readonly kafkaError?: string;
}

/** A failure with a code from {@link ERROR_KINDS}. The message says what was attempted, on what, and what came back. */
export class BackupError extends Error {
  readonly code: ErrorCode;
  readonly context: ErrorContext;

  constructor(code: ErrorCode, message: string, options: { context?: ErrorContext; cause?: unknown } = {}) {
    super(message, options.cause === undefined ? undefined : { cause: options.cause });
    this.name = 'BackupError';
    this.code = code;
    this.context = options.context ?? {};
  }

  get kind(): ErrorKind {
    return ERROR_KINDS[this.code];
  }
}

/** True when waiting and trying again can help. Unknown errors are programmer errors and are never retried. */
export function isRetriable(error: unknown): boolean {
  return error instanceof BackupError && error.kind.retriable;
}

/** Any thrown value as an error, to be kept and thrown again later. */
export function errorOf(value: unknown): Error {
  return value instanceof Error ? value : new Error(String(value));
}

/** The text of any thrown value, for messages. */
export function messageOf(error: unknown): string {
  return error instanceof Error ? error.message : String(error);
}

/** Ends the flow at a broken invariant: a defect of ours, never of the input. */
export function invariant(condition: unknown, message: string): asserts condition {
  if (!condition) throw new Error(`invariant broken: ${message}`);
}
