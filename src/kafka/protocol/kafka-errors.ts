// Kafka's error codes, each classified once (org.apache.kafka.common.protocol.Errors). `refresh`: the metadata is stale, ask
// again and retry. `retry`: transient, retry. `denied`: a permission is missing. `refused`: will not change by itself.
// A code that is not listed is treated as transient: an unknown answer must never end in a gap or in lost data.

import { BackupError, type ErrorCode, type ErrorContext } from '../../model/errors.ts';

export type KafkaErrorClass = 'refresh' | 'retry' | 'denied' | 'refused';

export const KAFKA_ERROR = {
  none: 0,
  offsetOutOfRange: 1,
  unknownTopicOrPartition: 3,
  topicAlreadyExists: 36,
  outOfOrderSequence: 45,
  duplicateSequence: 46,
  fetchSessionNotFound: 70,
  invalidFetchSessionEpoch: 71,
  unknownTopicId: 100,
  inconsistentTopicId: 103,
  fetchSessionTopicId: 106,
} as const;

const KNOWN: Readonly<Record<number, readonly [name: string, errorClass: KafkaErrorClass]>> = {
  [-1]: ['UNKNOWN_SERVER_ERROR', 'retry'],
  1: ['OFFSET_OUT_OF_RANGE', 'refused'],
  2: ['CORRUPT_MESSAGE', 'retry'],
  3: ['UNKNOWN_TOPIC_OR_PARTITION', 'refresh'],
  5: ['LEADER_NOT_AVAILABLE', 'refresh'],
  6: ['NOT_LEADER_OR_FOLLOWER', 'refresh'],
  7: ['REQUEST_TIMED_OUT', 'retry'],
  8: ['BROKER_NOT_AVAILABLE', 'refresh'],
  9: ['REPLICA_NOT_AVAILABLE', 'refresh'],
  10: ['MESSAGE_TOO_LARGE', 'refused'],
  13: ['NETWORK_EXCEPTION', 'refresh'],
  14: ['COORDINATOR_LOAD_IN_PROGRESS', 'retry'],
  15: ['COORDINATOR_NOT_AVAILABLE', 'retry'],
  16: ['NOT_COORDINATOR', 'refresh'],
  17: ['INVALID_TOPIC_EXCEPTION', 'refused'],
  18: ['RECORD_LIST_TOO_LARGE', 'refused'],
  19: ['NOT_ENOUGH_REPLICAS', 'retry'],
  20: ['NOT_ENOUGH_REPLICAS_AFTER_APPEND', 'retry'],
  29: ['TOPIC_AUTHORIZATION_FAILED', 'denied'],
  30: ['GROUP_AUTHORIZATION_FAILED', 'denied'],
  31: ['CLUSTER_AUTHORIZATION_FAILED', 'denied'],
  32: ['INVALID_TIMESTAMP', 'refused'],
  35: ['UNSUPPORTED_VERSION', 'refused'],
  36: ['TOPIC_ALREADY_EXISTS', 'refused'],
  37: ['INVALID_PARTITIONS', 'refused'],
  38: ['INVALID_REPLICATION_FACTOR', 'refused'],
  40: ['INVALID_CONFIG', 'refused'],
  41: ['NOT_CONTROLLER', 'refresh'],
  42: ['INVALID_REQUEST', 'refused'],
  43: ['UNSUPPORTED_FOR_MESSAGE_FORMAT', 'refused'],
  44: ['POLICY_VIOLATION', 'refused'],
  45: ['OUT_OF_ORDER_SEQUENCE_NUMBER', 'refused'],
  46: ['DUPLICATE_SEQUENCE_NUMBER', 'refused'],
  47: ['INVALID_PRODUCER_EPOCH', 'refused'],
  53: ['TRANSACTIONAL_ID_AUTHORIZATION_FAILED', 'denied'],
  54: ['SECURITY_DISABLED', 'refused'],
  56: ['KAFKA_STORAGE_ERROR', 'refresh'],
  58: ['SASL_AUTHENTICATION_FAILED', 'denied'],
  59: ['UNKNOWN_PRODUCER_ID', 'refused'],
  70: ['FETCH_SESSION_ID_NOT_FOUND', 'retry'],
  71: ['INVALID_FETCH_SESSION_EPOCH', 'retry'],
  72: ['LISTENER_NOT_FOUND', 'refresh'],
  74: ['FENCED_LEADER_EPOCH', 'refresh'],
  75: ['UNKNOWN_LEADER_EPOCH', 'refresh'],
  76: ['UNSUPPORTED_COMPRESSION_TYPE', 'refused'],
  78: ['OFFSET_NOT_AVAILABLE', 'retry'],
  87: ['INVALID_RECORD', 'refused'],
  89: ['THROTTLING_QUOTA_EXCEEDED', 'retry'],
  90: ['PRODUCER_FENCED', 'refused'],
  100: ['UNKNOWN_TOPIC_ID', 'refresh'],
  103: ['INCONSISTENT_TOPIC_ID', 'refresh'],
  106: ['FETCH_SESSION_TOPIC_ID_ERROR', 'retry'],
  109: ['OFFSET_MOVED_TO_TIERED_STORAGE', 'retry'],
};

const ERROR_CODE_OF_CLASS: Readonly<Record<KafkaErrorClass, ErrorCode>> = {
  refresh: 'KAFKA_REQUEST_FAILED',
  retry: 'KAFKA_REQUEST_FAILED',
  denied: 'KAFKA_AUTHORIZATION_FAILED',
  refused: 'KAFKA_REQUEST_REFUSED',
};

/** Kafka's name of the code, for messages. */
export function kafkaErrorName(code: number): string {
  return KNOWN[code]?.[0] ?? `KAFKA_ERROR_${code}`;
}

export function kafkaErrorClass(code: number): KafkaErrorClass {
  return KNOWN[code]?.[1] ?? 'retry';
}

/** Translates a non-zero code. `attempt` says what was tried and on what: "create topic orders". */
export function kafkaError(
  code: number,
  attempt: string,
  context: ErrorContext = {},
  detail?: string | null,
): BackupError {
  const name = kafkaErrorName(code);
  const text = detail === undefined || detail === null || detail === '' ? '' : ` (${detail})`;
  return new BackupError(ERROR_CODE_OF_CLASS[kafkaErrorClass(code)], `${attempt}: ${name}${text}`, {
    context: { ...context, kafkaError: name },
  });
}
