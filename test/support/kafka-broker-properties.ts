// The server.properties of a test broker: everything that Kafka does on a timer happens within a second,
// internal topics are as small as they can be, and nothing is deleted by age unless a topic asks for it.

/** Ports of one broker; `further` maps a listener's name to its port and security protocol. */
export interface BrokerPorts {
  readonly plain: number;
  /** Of the cluster's only controller, in the broker that all others join. */
  readonly controller: number;
  readonly further: Readonly<Record<string, { readonly port: number; readonly protocol: string }>>;
}

type Properties = Readonly<Record<string, string | number | boolean>>;

/** Node id of the broker that holds the controller role. */
export const CONTROLLER_ID = 1;

const MIB = 1024 * 1024;

const SETTINGS: Properties = {
  'controller.listener.names': 'CONTROLLER',
  'inter.broker.listener.name': 'PLAINTEXT',
  'auto.create.topics.enable': false,
  'message.max.bytes': 12 * MIB,
  'num.network.threads': 2,
  'num.io.threads': 4,
  'background.threads': 2,
  'num.recovery.threads.per.data.dir': 2,
  // internal topics: one replica, one partition
  'offsets.topic.replication.factor': 1,
  'offsets.topic.num.partitions': 1,
  'transaction.state.log.replication.factor': 1,
  'transaction.state.log.min.isr': 1,
  'transaction.state.log.num.partitions': 1,
  'share.coordinator.state.topic.replication.factor': 1,
  'share.coordinator.state.topic.min.isr': 1,
  'share.coordinator.state.topic.num.partitions': 1,
  'group.initial.rebalance.delay.ms': 0,
  // timers
  'transaction.abort.timed.out.transaction.cleanup.interval.ms': 500,
  'log.initial.task.delay.ms': 500,
  'log.retention.check.interval.ms': 500,
  'log.segment.delete.delay.ms': 100,
  'log.cleaner.backoff.ms': 200,
  // memory
  'log.cleaner.dedupe.buffer.size': 8 * MIB,
  'log.retention.ms': -1,
  // a broker that was killed may register again when its old session has ended
  'broker.session.timeout.ms': 2000,
  'broker.heartbeat.interval.ms': 200,
  'initial.broker.registration.timeout.ms': 30_000,
  'controlled.shutdown.enable': true,
};

/** Renders the file; node 1 is the controller as well. `overrides` win over every other setting. */
export function brokerProperties(nodeId: number, ports: BrokerPorts, logDir: string, overrides: Properties): string {
  const isController = nodeId === CONTROLLER_ID;
  const further = Object.entries(ports.further);
  const listeners = [`PLAINTEXT://127.0.0.1:${ports.plain}`];
  const protocols = ['CONTROLLER:PLAINTEXT', 'PLAINTEXT:PLAINTEXT'];
  for (const [name, { port, protocol }] of further) {
    listeners.push(`${name}://127.0.0.1:${port}`);
    protocols.push(`${name}:${protocol}`);
  }
  const properties: Properties = {
    ...SETTINGS,
    'process.roles': isController ? 'broker,controller' : 'broker',
    'node.id': nodeId,
    listeners: [...listeners, ...(isController ? [`CONTROLLER://127.0.0.1:${ports.controller}`] : [])].join(','),
    'advertised.listeners': listeners.join(','),
    'listener.security.protocol.map': protocols.join(','),
    'controller.quorum.voters': `${CONTROLLER_ID}@127.0.0.1:${ports.controller}`,
    'log.dirs': logDir,
    ...overrides,
  };
  const lines = Object.entries(properties).map(([key, value]) => `${key}=${String(value).replaceAll('\\', '\\\\')}`);
  return `${lines.join('\n')}\n`;
}
