// The keys of one Kafka cluster: of `source`, of `target` and of every entry under `targets`.

import { brokers, choice, count, durationMs, durationSecs, flag, path, text, topicPatterns } from './leaf.ts';

const KERBEROS = 'Kerberos (GSSAPI) is not supported. Use SCRAM-SHA-512 or TLS certificates.';

/** A fresh copy for each place, since environment names differ. */
export function kafkaSection() {
  return {
    bootstrap_servers: brokers({
      doc: 'Brokers to ask first; every other broker is learnt from them.',
      default: [],
    }),
    client_id: text({ doc: 'Name under which the brokers log and meter this client.', default: 'kafka-backup-agent' }),
    request_timeout_ms: durationMs({
      doc: 'How long to wait for the answer to one request.',
      unit: 'ms',
      default: 30_000,
      min: 1000,
      max: 3_600_000,
    }),
    security: securitySection(),
    topics: {
      include: topicPatterns({
        doc: 'Topics by exact name, by glob (`*`, `?`) or by `~regex`. Empty means all. Internal topics count only by name.',
        default: [],
      }),
      exclude: topicPatterns({ doc: 'Topics to leave out again, written like `include`.', default: [] }),
    },
    connection: {
      tcp_keepalive: flag({ doc: 'Send TCP keep-alive probes on idle connections.', default: true }),
      keepalive_time_secs: durationSecs({
        doc: 'Idle time before the first keep-alive probe.',
        unit: 's',
        default: 60,
        min: 1,
        max: 86_400,
      }),
      keepalive_interval_secs: durationSecs({
        doc: 'Time between two keep-alive probes.',
        unit: 's',
        default: 20,
        min: 1,
        max: 86_400,
        status: { kind: 'notice', text: 'the operating system sets the time between keep-alive probes.' },
      }),
      tcp_nodelay: flag({ doc: 'Send small requests at once instead of collecting them.', default: true }),
      connections_per_broker: count({
        doc: 'Connections to each broker.',
        default: 4,
        min: 1,
        max: 1000,
        status: {
          kind: 'notice',
          text: 'one connection per broker is enough here: one fetch carries all partitions of a broker, and requests are pipelined.',
        },
      }),
    },
  };
}

function securitySection() {
  return {
    security_protocol: choice(['PLAINTEXT', 'SSL', 'SASL_PLAINTEXT', 'SASL_SSL'], {
      doc: 'How the listener of the brokers is secured.',
      default: 'PLAINTEXT',
    }),
    sasl_mechanism: choice(['PLAIN', 'SCRAM-SHA-256', 'SCRAM-SHA-512'], {
      doc: 'How to log in with SASL. `SCRAM-SHA256` and `SCRAM-SHA512` are accepted as well.',
      default: null,
      aliases: { 'SCRAM-SHA256': 'SCRAM-SHA-256', 'SCRAM-SHA512': 'SCRAM-SHA-512' },
      refused: {
        GSSAPI: KERBEROS,
        OAUTHBEARER: 'OAUTHBEARER is not supported yet. Use SCRAM-SHA-512 or TLS certificates.',
      },
    }),
    sasl_username: text({ doc: 'User name for SASL.', default: null }),
    sasl_password: text({ doc: 'Password for SASL.', default: null, sensitive: true }),
    sasl_password_file: path({
      doc: 'File that holds the password for SASL; one line break at its end is dropped.',
      default: null,
    }),
    ssl_ca_location: path({
      doc: 'PEM file with the certificate authorities to trust, instead of those that Node trusts.',
      default: null,
    }),
    ssl_certificate_location: path({
      doc: 'PEM file with the client certificate, for brokers that ask for one.',
      default: null,
    }),
    ssl_key_location: path({ doc: 'PEM file with the key of the client certificate.', default: null }),
    ssl_key_password: text({ doc: 'Password of the key file, where it has one.', default: null, sensitive: true }),
    ssl_endpoint_identification: flag({
      doc: 'Check that the certificate names the host that was dialled. Switch off only for tests.',
      default: true,
    }),
    sasl_kerberos_service_name: text({
      doc: 'Service name of the brokers in Kerberos.',
      default: 'kafka',
      status: { kind: 'unavailable', text: KERBEROS },
    }),
    sasl_keytab_path: path({ doc: 'Kerberos keytab.', default: null, status: { kind: 'unavailable', text: KERBEROS } }),
    sasl_krb5_config_path: path({
      doc: 'Kerberos configuration.',
      default: null,
      status: { kind: 'unavailable', text: KERBEROS },
    }),
  };
}
