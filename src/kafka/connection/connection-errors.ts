// What can go wrong between us and a broker before Kafka itself answers: TLS, SASL, the network. Each becomes an error with a
// code here, once. Node reports TLS trouble by the code of the socket's error, OpenSSL by the name of the alert within it.

import { BackupError, type ErrorCode, messageOf } from '../../model/errors.ts';

/** The broker's certificate is refused by us: Node's code, and what there is to do. */
const CERTIFICATE_ERRORS: ReadonlyMap<string, string> = new Map([
  ...[
    'DEPTH_ZERO_SELF_SIGNED_CERT',
    'SELF_SIGNED_CERT_IN_CHAIN',
    'UNABLE_TO_GET_ISSUER_CERT',
    'UNABLE_TO_GET_ISSUER_CERT_LOCALLY',
    'UNABLE_TO_VERIFY_LEAF_SIGNATURE',
  ].map((code): [string, string] => [
    code,
    "the broker's certificate is not signed by an authority that is trusted here; name that authority in ssl_ca_location",
  ]),
  ['CERT_HAS_EXPIRED', "the broker's certificate has expired"],
  ['CERT_NOT_YET_VALID', "the broker's certificate is not valid yet; check the clock of this host"],
  [
    'ERR_TLS_CERT_ALTNAME_INVALID',
    "the broker's certificate is for another host; use a name that it holds in bootstrap_servers and in the broker's advertised.listeners",
  ],
]);

/** Alerts by which a broker refuses our certificate, or the lack of one (RFC 8446, 6.2), whatever OpenSSL puts before them. */
const REFUSED_CERTIFICATE =
  /ALERT_(BAD_CERTIFICATE|CERTIFICATE_\w+|UNSUPPORTED_CERTIFICATE|UNKNOWN_CA|ACCESS_DENIED|HANDSHAKE_FAILURE)$/;

/** Answers of Kafka to a login that will not change by themselves. */
const LOGIN_ERRORS = new Set(['SASL_AUTHENTICATION_FAILED', 'UNSUPPORTED_SASL_MECHANISM', 'ILLEGAL_SASL_STATE']);

/** A login that the network ended. kafkajs calls it refused; credentials that are refused are answered so, by a broker's own words. */
const BROKEN_LOGIN =
  /^SASL .* failed: .*(timed out|Closed connection|Not connected|Connection timeout|(read|write) E[A-Z]+)$/;

/** Of Node: nobody is there, or whoever is there broke off, as a listener of another security protocol does. */
const NETWORK_ERRORS = new Set([
  ...['ECONNABORTED', 'ECONNREFUSED', 'ECONNRESET', 'EHOSTUNREACH', 'ENETUNREACH', 'ENOTCONN', 'EPIPE', 'ETIMEDOUT'],
  ...['EAI_AGAIN', 'ENOTFOUND'],
]);

/** `attempt` says what was tried and where: "Metadata to broker-1:9092". */
export function connectionError(error: unknown, attempt: string): BackupError {
  if (error instanceof BackupError) {
    // What the bytes of an answer look like says nothing without the address.
    return error.code === 'KAFKA_NOT_KAFKA' ? failure(error.code, attempt, error.message, error) : error;
  }
  const { name, code, type } = namesOf(error);
  const certificate = CERTIFICATE_ERRORS.get(code);
  if (certificate !== undefined) {
    // Only there Node's own words say more: which names the certificate holds.
    const detail = code === 'ERR_TLS_CERT_ALTNAME_INVALID' ? messageOf(error) : code;
    return failure('KAFKA_AUTHENTICATION_FAILED', attempt, `${certificate} (${detail})`, error);
  }
  if (REFUSED_CERTIFICATE.test(code)) {
    const text = `the broker refuses our certificate, or the lack of one; see ssl_certificate_location (${code})`;
    return failure('KAFKA_AUTHENTICATION_FAILED', attempt, text, error);
  }
  const text = messageOf(error);
  return failure(BROKEN_LOGIN.test(text) ? 'KAFKA_UNREACHABLE' : codeOf(name, code, type), attempt, text, error);
}

function failure(code: ErrorCode, attempt: string, text: string, cause: unknown): BackupError {
  return new BackupError(code, `${attempt}: ${text}`, { cause });
}

/** Of an error of Node (`code`) or of kafkajs (`name`, and Kafka's own name as `type`). */
function namesOf(error: unknown): { readonly name: string; readonly code: string; readonly type: string } {
  if (!(error instanceof Error)) return { name: '', code: '', type: '' };
  return {
    name: error.name,
    code: 'code' in error ? String(error.code) : '',
    type: 'type' in error ? String(error.type) : '',
  };
}

function codeOf(name: string, code: string, type: string): ErrorCode {
  if (name === 'KafkaJSSASLAuthenticationError' || LOGIN_ERRORS.has(type)) return 'KAFKA_AUTHENTICATION_FAILED';
  if (code === 'EPROTO' || code.startsWith('ERR_SSL')) return 'KAFKA_NOT_KAFKA';
  if (NETWORK_ERRORS.has(code)) return 'KAFKA_UNREACHABLE';
  if (name.startsWith('KafkaJSConnection') || name === 'KafkaJSRequestTimeoutError' || name === 'KafkaJSLockTimeout') {
    return 'KAFKA_UNREACHABLE';
  }
  return 'KAFKA_REQUEST_FAILED';
}
