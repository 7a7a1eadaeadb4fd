// Conditions inside one cluster's keys: who logs in how, over which transport.

import { whyUnreadable } from '../input/read-file.ts';
import type { NamedCluster, Rule, RuleSubject } from './rule.ts';

export const KAFKA_RULES: readonly Rule[] = [
  forEachCluster('Every cluster needs `bootstrap_servers`.', ({ path, values }, subject) => {
    if (values.bootstrap_servers.length > 0) return;
    subject.problem(`${path}.bootstrap_servers`, 'at least one broker is needed.', {
      suggestion: 'Write ["host:9092"].',
    });
  }),
  forEachCluster(
    'SASL_PLAINTEXT and SASL_SSL need `sasl_mechanism`, `sasl_username` and a password; without SASL these keys are refused.',
    checkSasl,
  ),
  forEachCluster('The `ssl_*` keys need SSL or SASL_SSL; certificate and key come together.', checkTls),
  forEachCluster(
    'Risky choices are named: no host name check, a password without TLS.',
    ({ path, values }, subject) => {
      const { security } = values;
      const at = `${path}.security`;
      if (security.security_protocol.endsWith('SSL') && !security.ssl_endpoint_identification) {
        const message =
          'host names are not checked: anyone with a certificate of the same authority can pose as a broker.';
        subject.note('warning', `${at}.ssl_endpoint_identification`, message);
      }
      if (security.security_protocol === 'SASL_PLAINTEXT' && security.sasl_mechanism === 'PLAIN') {
        subject.note('warning', `${at}.sasl_mechanism`, 'PLAIN without TLS sends the password in clear text.');
      }
    },
  ),
];

const SASL_KEYS = ['sasl_mechanism', 'sasl_username', 'sasl_password', 'sasl_password_file'] as const;
const SSL_FILE_KEYS = ['ssl_ca_location', 'ssl_certificate_location', 'ssl_key_location', 'ssl_key_password'] as const;

function forEachCluster(doc: string, check: (cluster: NamedCluster, subject: RuleSubject) => void): Rule {
  return {
    doc,
    check(subject) {
      for (const cluster of subject.clusters) check(cluster, subject);
    },
  };
}

function checkSasl({ path, values: { security } }: NamedCluster, subject: RuleSubject): void {
  const at = `${path}.security`;
  const protocol = security.security_protocol;
  const involves = [`${at}.security_protocol`, ...SASL_KEYS.map((key) => `${at}.${key}`)];
  if (!protocol.startsWith('SASL_')) {
    const first = SASL_KEYS.find((key) => security[key] !== null);
    if (first === undefined) return;
    const suggestion = protocol === 'SSL' ? 'Use SASL_SSL.' : 'Use SASL_SSL or SASL_PLAINTEXT.';
    subject.problem(`${at}.${first}`, `security_protocol ${protocol} does not log in.`, { suggestion, involves });
    return;
  }
  const missing = [
    ...(security.sasl_mechanism === null ? ['sasl_mechanism'] : []),
    ...(security.sasl_username === null ? ['sasl_username'] : []),
    ...(security.sasl_password === null ? ['sasl_password or sasl_password_file'] : []),
  ];
  if (missing.length === 0) return;
  subject.problem(`${at}.security_protocol`, `${protocol} also needs ${missing.join(' and ')}.`, { involves });
}

function checkTls({ path, values: { security } }: NamedCluster, subject: RuleSubject): void {
  const at = `${path}.security`;
  const protocol = security.security_protocol;
  const involves = [`${at}.security_protocol`];
  if (!protocol.endsWith('SSL')) {
    const first = SSL_FILE_KEYS.find((key) => security[key] !== null);
    const suggestion = protocol === 'PLAINTEXT' ? 'Use SSL.' : 'Use SASL_SSL.';
    if (first !== undefined) {
      subject.problem(`${at}.${first}`, `security_protocol ${protocol} does not use TLS.`, { suggestion, involves });
    }
    return;
  }
  const certificate = security.ssl_certificate_location;
  const key = security.ssl_key_location;
  if (certificate !== null && key === null) {
    subject.problem(`${at}.ssl_certificate_location`, 'a certificate needs its key.', {
      suggestion: 'Add ssl_key_location.',
    });
  }
  if (key !== null && certificate === null) {
    subject.problem(`${at}.ssl_key_location`, 'a key needs its certificate.', {
      suggestion: 'Add ssl_certificate_location.',
    });
  }
  if (security.ssl_key_password !== null && key === null) {
    subject.problem(`${at}.ssl_key_password`, 'there is no key to open.', { suggestion: 'Add ssl_key_location.' });
  }
  for (const name of ['ssl_ca_location', 'ssl_certificate_location', 'ssl_key_location'] as const) {
    const file = security[name];
    const fault = file === null ? null : whyUnreadable(file);
    if (fault !== null) subject.problem(`${at}.${name}`, fault);
  }
}
