// What a system test stands on: one broker, one probe, one workspace for the agent. Also the journey that most tests make:
// back a topic up, restore it under another name, and let Kafka's own consumer compare the two.
import { type AgentRun, type JsonObject } from './agent-process.ts';
import { AgentWorkspace, assertExit } from './agent-workspace.ts';
import { assertSameRecords } from './compare-topics.ts';
import { type KafkaBroker, type KafkaOptions, startKafka } from './kafka-broker.ts';
import { type DigestOptions, KafkaProbe } from './kafka-probe.ts';
import type { Store } from './stores/store.ts';

export interface FixtureOptions extends KafkaOptions {
  /** Where backups are kept; the workspace's directory unless given. */
  readonly startStore?: () => Promise<Store>;
}

/** A suite of tests that is run on more than one place for backups. */
export interface SuitePlace {
  /** Of the suite. */
  readonly name: string;
  /** Of the whole suite. */
  readonly timeoutMs: number;
  readonly start: () => Promise<SystemFixture>;
}

export interface RoundTripOptions {
  /** Section `backup` of the configuration. */
  readonly backup?: Readonly<Record<string, unknown>>;
  /** Section `restore` of the configuration. */
  readonly restore?: Readonly<Record<string, unknown>>;
  /** What of the source is expected in the target; read_committed unless told. */
  readonly expected?: DigestOptions;
  /** Between backup and restore. */
  readonly between?: () => Promise<void>;
  /** Name of the target; the source's with `-restored` unless told. */
  readonly target?: string;
}

export interface RoundTrip {
  readonly backupId: string;
  readonly target: string;
  readonly backup: AgentRun;
  /** Of the restore. */
  readonly summary: JsonObject;
  readonly recordsCompared: number;
}

export class SystemFixture {
  readonly broker: KafkaBroker;
  readonly probe: KafkaProbe;
  readonly workspace: AgentWorkspace;
  #trips = 0;

  private constructor(broker: KafkaBroker, probe: KafkaProbe, workspace: AgentWorkspace) {
    this.broker = broker;
    this.probe = probe;
    this.workspace = workspace;
  }

  static async start({ startStore, ...options }: FixtureOptions = {}): Promise<SystemFixture> {
    const broker = await startKafka(options);
    let place: Store | undefined;
    try {
      place = await startStore?.();
      const probe = await KafkaProbe.start(broker.bootstrap);
      return new SystemFixture(broker, probe, await AgentWorkspace.create(() => broker.bootstrap, place));
    } catch (error) {
      await place?.stop();
      await broker.stop();
      throw error;
    }
  }

  async stop(): Promise<void> {
    await this.workspace.close();
    await this.workspace.place.stop();
    await this.probe.stop();
    await this.broker.stop();
  }

  /** Backs one topic up, restores it, and asserts that every consumer sees the same in both. */
  async roundTrip(topic: string, options: RoundTripOptions = {}): Promise<RoundTrip> {
    const { probe, workspace } = this;
    this.#trips += 1;
    const backupId = `trip-${this.#trips}`;
    const { target = `${topic}-restored` } = options;
    const backup = await workspace.backup({ backupId, topics: [topic], backup: options.backup ?? {} });
    assertExit(backup, 0);
    await options.between?.();
    const restore = await workspace.restore({
      backupId,
      topics: { [topic]: target },
      restore: options.restore ?? {},
    });
    assertExit(restore, 0);
    const source = { probe, topic, ...(options.expected === undefined ? {} : { options: options.expected }) };
    const recordsCompared = await assertSameRecords(source, { probe, topic: target });
    return { backupId, target, backup, summary: restore.summary, recordsCompared };
  }
}
