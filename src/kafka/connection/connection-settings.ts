// From the configuration of a cluster to the settings of its connections: addresses, TLS material, SASL.

import { X509Certificate } from 'node:crypto';
import { readFileSync } from 'node:fs';
import { type ConnectionOptions, createSecureContext } from 'node:tls';
import type { SASLOptions } from 'kafkajs';
import { BackupError, messageOf } from '../../model/errors.ts';
import type { BrokerAddress, ConnectionSettings } from './kafkajs-wire.ts';

/** What of a cluster's configuration concerns its connections. */
export interface ClusterAccess {
  readonly bootstrapServers: readonly string[];
  readonly clientId: string;
  readonly requestTimeoutMs: number;
  readonly tcpKeepalive: boolean;
  readonly keepaliveTimeSecs: number;
  readonly tcpNodelay: boolean;
  readonly tls: {
    readonly caPath: string | null;
    readonly certificatePath: string | null;
    readonly keyPath: string | null;
    readonly keyPassword: string | null;
    readonly endpointIdentification: boolean;
  } | null;
  readonly sasl: {
    readonly mechanism: 'PLAIN' | 'SCRAM-SHA-256' | 'SCRAM-SHA-512';
    readonly username: string;
    readonly password: string;
  } | null;
}

const CONNECT_TIMEOUT_MS = 10_000;

/** `host:port`, or `[address]:port` for IPv6. @throws CONFIG_INVALID. */
export function parseAddress(text: string): BrokerAddress {
  const match = /^(?:\[([0-9a-fA-F:.]+)\]|([^:\s]+)):(\d{1,5})$/.exec(text);
  const host = match?.[1] ?? match?.[2];
  const port = Number(match?.[3]);
  if (host === undefined || port < 1 || port > 65_535) {
    throw new BackupError('CONFIG_INVALID', `bootstrap server ${JSON.stringify(text)} is not host:port`);
  }
  return { host, port };
}

/** Reads and tries the TLS files; credentials that rotate are read again by each new agent. @throws CONFIG_INVALID. */
export function connectionSettings(access: ClusterAccess): ConnectionSettings {
  const { tls, sasl } = access;
  return {
    clientId: access.clientId,
    connectTimeoutMs: CONNECT_TIMEOUT_MS,
    requestTimeoutMs: access.requestTimeoutMs,
    keepAliveMs: access.tcpKeepalive ? access.keepaliveTimeSecs * 1000 : null,
    noDelay: access.tcpNodelay,
    tls: tls === null ? undefined : tlsOptions(tls),
    sasl: sasl === null ? undefined : saslOptions(sasl),
  };
}

function tlsOptions(tls: NonNullable<ClusterAccess['tls']>): ConnectionOptions {
  const { caPath, certificatePath, keyPath, keyPassword } = tls;
  const authority = caPath === null ? {} : { ca: readPem(caPath) };
  const own = {
    ...(certificatePath === null ? {} : { cert: readPem(certificatePath) }),
    ...(keyPath === null ? {} : { key: readPem(keyPath) }),
    ...(keyPassword === null ? {} : { passphrase: keyPassword }),
  };
  // Node takes a file without a certificate for an empty list of authorities, and would trust nobody.
  if (authority.ca !== undefined) attempt(`use ssl_ca_location ${caPath}`, () => new X509Certificate(authority.ca));
  attempt(`use ssl_certificate_location ${certificatePath} with ssl_key_location ${keyPath}`, () =>
    createSecureContext(own),
  );
  return { ...authority, ...own, ...(tls.endpointIdentification ? {} : { checkServerIdentity: () => undefined }) };
}

function saslOptions({ mechanism, username, password }: NonNullable<ClusterAccess['sasl']>): SASLOptions {
  switch (mechanism) {
    case 'PLAIN':
      return { mechanism: 'plain', username, password };
    case 'SCRAM-SHA-256':
      return { mechanism: 'scram-sha-256', username, password };
    case 'SCRAM-SHA-512':
      return { mechanism: 'scram-sha-512', username, password };
  }
}

function readPem(path: string): Buffer {
  return attempt(`read ${path}`, () => readFileSync(path));
}

function attempt<T>(what: string, action: () => T): T {
  try {
    return action();
  } catch (error) {
    throw new BackupError('CONFIG_INVALID', `${what}: ${messageOf(error)}`, { cause: error });
  }
}
