import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import { type Check, CheckList, exitCodeOf } from '../../../src/doctor/check-list.ts';
import { checkCluster } from '../../../src/doctor/cluster-checks.ts';
import type { ClusterProbe, NeededApi } from '../../../src/kafka/probe/cluster-probe.ts';
import { BackupError } from '../../../src/model/errors.ts';

const NOW_MS = Date.UTC(2026, 0, 1);
const DAY_MS = 86_400_000;
const BROKER = { host: 'kafka', port: 9092 };
const APIS: readonly NeededApi[] = [
  { name: 'Fetch', version: 13, offered: { min: 4, max: 17 } },
  { name: 'ListOffsets', version: 7, offered: { min: 1, max: 10 } },
];

/** A cluster of two brokers where all is well; each test spoils one answer. */
class FakeProbe implements ClusterProbe {
  bootstrap = [BROKER];
  mechanism: string | null = 'PLAIN';
  apis = APIS;
  /** Against ours; null where the cluster does not tell. */
  skewMs: number | null = 0;
  certificateEndsMs = NOW_MS + 90 * DAY_MS;
  /** Steps and what they are about: `reach other`. */
  failing: ReadonlySet<string> = new Set();
  readonly asked: string[] = [];

  async resolve(host: string): Promise<readonly string[]> {
    this.#step('resolve', host);
    return ['10.0.0.1'];
  }

  async reach({ host }: { readonly host: string }): Promise<void> {
    this.#step('reach', host);
  }

  async secure(): ReturnType<ClusterProbe['secure']> {
    return { protocol: 'TLSv1.3', validToMs: this.certificateEndsMs };
  }

  async login(_endpoint: unknown, use: 'source' | 'target'): Promise<readonly NeededApi[]> {
    this.#step('login', use);
    return this.apis;
  }

  async brokers(): ReturnType<ClusterProbe['brokers']> {
    return [
      { ...BROKER, nodeId: 1 },
      { host: 'other', port: 9093, nodeId: 2 },
    ];
  }

  async offsetsAt(): ReturnType<ClusterProbe['offsetsAt']> {
    return new Map();
  }

  async controllerClockMs(): Promise<number | null> {
    return this.skewMs === null ? null : NOW_MS + this.skewMs;
  }

  #step(name: string, what: string): void {
    this.asked.push(`${name} ${what}`);
    if (this.failing.has(`${name} ${what}`)) throw new BackupError('KAFKA_UNREACHABLE', `${name} ${what}: no`);
  }
}

async function look(spoil: (probe: FakeProbe) => void) {
  const probe = new FakeProbe();
  spoil(probe);
  const list = new CheckList();
  const isIn = await checkCluster({ area: 'source', use: 'source', probe, wallMs: () => NOW_MS }, list);
  return { isIn, probe, checks: list.checks };
}

/** `status name: message` of what is not well; each with a remedy, and nothing else with one. */
function faults(checks: readonly Check[]): string[] {
  for (const { status, remedy } of checks) assert.equal(remedy !== null, status !== 'ok');
  return checks
    .filter(({ status }) => status !== 'ok')
    .map(({ status, name, message }) => `${status} ${name}: ${message}`);
}

describe('the checks of a cluster', () => {
  test('are all well where it is', async () => {
    const { isIn, checks, probe } = await look(() => {});
    assert.deepEqual(faults(checks), []);
    assert.equal(isIn, true);
    assert.deepEqual(
      checks.map(({ name }) => name),
      [
        ...['resolve kafka:9092', 'TCP kafka:9092', 'TLS kafka:9092', 'log in kafka:9092', 'versions kafka:9092'],
        ...['advertised addresses', 'clock'],
      ],
    );
    assert.match(checks.find(({ name }) => name.startsWith('versions'))!.message, /^Fetch v13, ListOffsets v7$/);
    // The configured one was looked at before.
    assert.deepEqual(probe.asked.slice(-2), ['resolve other', 'reach other']);
  });

  const versions: readonly (readonly [string, NeededApi['offered'], string])[] = [
    ['does not offer at all', null, 'Fetch v13 is needed, and not offered'],
    ['offers in older versions only', { min: 0, max: 12 }, 'Fetch v13 is needed, v0 to v12 are offered'],
    ['offers in newer versions only', { min: 14, max: 20 }, 'Fetch v13 is needed, v14 to v20 are offered'],
  ];
  for (const [what, offered, said] of versions) {
    test(`fail at a request that it ${what}`, async () => {
      const { isIn, checks } = await look((probe) => {
        probe.apis = [{ ...APIS[0]!, offered }, APIS[1]!];
      });
      assert.deepEqual(faults(checks), [`fail versions kafka:9092: ${said}`]);
      assert.match(checks.at(-1)!.remedy ?? '', /Kafka 3\.1 or newer/);
      assert.equal(isIn, false, 'nothing else is asked of it');
      assert.equal(exitCodeOf(checks), 1);
    });
  }

  const clocks: readonly (readonly [number, string[], number])[] = [
    [5_000, [], 0],
    [-5_000, [], 0],
    [60_000, ["warn clock: the clock of the cluster's controller is 60 s ahead of ours"], 0],
    [-60_000, ["warn clock: the clock of the cluster's controller is 60 s behind ours"], 0],
    [3_600_000, ["fail clock: the clock of the cluster's controller is 3600 s ahead of ours"], 1],
    [-3_600_000, ["fail clock: the clock of the cluster's controller is 3600 s behind ours"], 1],
  ];
  for (const [skewMs, wanted, exitCode] of clocks) {
    test(`judge a clock that is ${skewMs / 1000} s off`, async () => {
      const { isIn, checks } = await look((probe) => {
        probe.skewMs = skewMs;
      });
      assert.deepEqual(faults(checks), wanted);
      assert.deepEqual([isIn, exitCodeOf(checks)], [true, exitCode]);
      if (wanted.length > 0) assert.match(checks.at(-1)!.remedy ?? '', /time server/);
    });
  }

  test('warn of a cluster that does not tell its clock', async () => {
    const { checks } = await look((probe) => {
      probe.skewMs = null;
    });
    assert.deepEqual(faults(checks), ['warn clock: not told by this cluster']);
    assert.match(checks.at(-1)!.remedy ?? '', /DESCRIBE on the cluster/);
  });

  test('warn two weeks before a certificate ends', async () => {
    const at = (days: number) => look((probe) => void (probe.certificateEndsMs = NOW_MS + days * DAY_MS));
    assert.deepEqual(faults((await at(15)).checks), []);
    assert.deepEqual(faults((await at(13)).checks), [
      'warn TLS kafka:9092: TLSv1.3, the certificate is valid until 2026-01-14',
    ]);
  });

  test('name the broker whose advertised address leads nowhere', async () => {
    for (const step of ['resolve other', 'reach other']) {
      const { isIn, checks } = await look((probe) => {
        probe.failing = new Set([step]);
      });
      assert.deepEqual(faults(checks), [
        `fail advertised addresses: broker 2 is advertised at other:9093: ${step}: no`,
      ]);
      assert.match(checks.find(({ status }) => status === 'fail')!.remedy ?? '', /advertised\.listeners of broker 2/);
      assert.equal(isIn, true);
    }
  });

  test('go no further than the step that fails, and on by another address', async () => {
    const { isIn, checks } = await look((probe) => {
      probe.bootstrap = [{ host: 'gone', port: 1 }, BROKER];
      probe.failing = new Set(['reach gone']);
    });
    assert.deepEqual(faults(checks), ['fail TCP gone:1: reach gone: no']);
    assert.equal(isIn, true);
    const alone = await look((probe) => {
      probe.failing = new Set(['login source']);
    });
    assert.deepEqual(faults(alone.checks), ['fail log in kafka:9092: login source: no']);
    assert.deepEqual([alone.isIn, alone.checks.length], [false, 4]);
  });
});
