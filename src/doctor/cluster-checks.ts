// The way to a cluster, step by step: name, TCP, TLS and SASL, versions, the addresses that it advertises itself, and its clock.

import type { BrokerCertificate, BrokerEndpoint, ClusterProbe, NeededApi } from '../kafka/probe/cluster-probe.ts';
import { CheckList, fail, type Finding, ok, warn } from './check-list.ts';
import { clockFinding } from './clock-finding.ts';

export interface ClusterSubject {
  /** `source`, or `target NAME`. */
  readonly area: string;
  readonly use: 'source' | 'target';
  readonly probe: ClusterProbe;
  readonly wallMs: () => number;
}

/** Brokers looked at one by one. */
const MAX_BROKERS = 20;
/** Certificates are told of so long before they end. */
const CERTIFICATE_NOTICE_MS = 14 * 86_400_000;

/** True when at least one of the configured addresses lets us in. */
export async function checkCluster(subject: ClusterSubject, list: CheckList): Promise<boolean> {
  const { area, probe, wallMs } = subject;
  let isIn = false;
  const known = new Set<string>();
  for (const endpoint of probe.bootstrap) {
    known.add(addressOf(endpoint));
    isIn = (await checkEndpoint(subject, endpoint, list)) || isIn;
  }
  if (!isIn) return false;
  await list.check(area, 'advertised addresses', async () => {
    const brokers = (await probe.brokers()).slice(0, MAX_BROKERS);
    for (const broker of brokers) {
      if (known.has(addressOf(broker))) continue;
      const failure = await failureOf(probe, broker);
      if (failure !== undefined) return failure;
    }
    return ok(brokers.map((broker) => `${broker.nodeId} at ${addressOf(broker)}`).join(', '));
  });
  await list.check(area, 'clock', async () => {
    const clockMs = await probe.controllerClockMs();
    if (clockMs !== null) return clockFinding("the clock of the cluster's controller", clockMs, wallMs());
    return warn(
      'not told by this cluster',
      'Grant DESCRIBE on the cluster (Kafka 3.3 in KRaft mode tells it then), or compare the clocks of the brokers yourself.',
    );
  });
  return true;
}

async function checkEndpoint(subject: ClusterSubject, endpoint: BrokerEndpoint, list: CheckList): Promise<boolean> {
  const { area, use, probe, wallMs } = subject;
  const address = addressOf(endpoint);
  let apis: readonly NeededApi[] = [];
  const steps: [string, () => Promise<Finding>][] = [
    ['resolve', async () => ok((await probe.resolve(endpoint.host)).join(', '))],
    ['TCP', () => probe.reach(endpoint).then(() => ok('connected'))],
    ['TLS', async () => certificateFinding(await probe.secure(endpoint), wallMs())],
    [
      'log in',
      async () => {
        apis = await probe.login(endpoint, use);
        return ok(probe.mechanism === null ? 'without SASL' : `by SASL ${probe.mechanism}`);
      },
    ],
    ['versions', async () => versionsFinding(apis)],
  ];
  for (const [name, look] of steps) if (!(await list.check(area, `${name} ${address}`, look))) return false;
  return true;
}

function certificateFinding(certificate: BrokerCertificate | null, nowMs: number): Finding {
  if (certificate === null) return ok('none: the connection is in plain text');
  const { protocol, validToMs } = certificate;
  const text = `${protocol}, the certificate is valid until ${new Date(validToMs).toISOString().slice(0, 10)}`;
  return validToMs - nowMs > CERTIFICATE_NOTICE_MS ? ok(text) : warn(text, "Renew the broker's certificate in time.");
}

/** A client is sent on to these addresses, whatever it was configured with. */
async function failureOf(
  probe: ClusterProbe,
  broker: BrokerEndpoint & { nodeId: number },
): Promise<Finding | undefined> {
  const remedy = `Make advertised.listeners of broker ${broker.nodeId} an address that this host reaches.`;
  const who = `broker ${broker.nodeId} is advertised at ${addressOf(broker)}`;
  for (const step of [() => probe.resolve(broker.host), () => probe.reach(broker)]) {
    const failure = await step().then(
      () => undefined,
      (error: Error) => fail(`${who}: ${error.message}`, remedy),
    );
    if (failure !== undefined) return failure;
  }
  return undefined;
}

function versionsFinding(apis: readonly NeededApi[]): Finding {
  const lacking = apis.filter(
    ({ version, offered }) => offered === null || version < offered.min || version > offered.max,
  );
  if (lacking.length === 0) return ok(apis.map(({ name, version }) => `${name} v${version}`).join(', '));
  const text = lacking.map(
    ({ name, version, offered }) =>
      `${name} v${version} is needed, ${offered === null ? 'and not offered' : `v${offered.min} to v${offered.max} are offered`}`,
  );
  return fail(text.join('; '), 'Kafka 3.1 or newer is needed on both sides.');
}

function addressOf({ host, port }: BrokerEndpoint): string {
  return `${host.includes(':') ? `[${host}]` : host}:${port}`;
}
