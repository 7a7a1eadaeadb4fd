// Restores from an object store that is not as it should be: far away, or behind a network that spoils what it says. Small frames of
// one partition, so that many requests are made; Kafka's own consumer compares.
import assert from 'node:assert/strict';
import { setTimeout as sleep } from 'node:timers/promises';
import { readFooter } from '../../../src/segment/segment-reader.ts';
import type { AgentProcess } from '../agent-process.ts';
import { assertExit, type RestoreSpec } from '../agent-workspace.ts';
import { assertSameRecords } from '../compare-topics.ts';
import type { CloudStore } from '../stores/cloud-stores.ts';
import { FaultProxy, type SeenRequest } from '../stores/fault-proxy.ts';
import type { SystemFixture } from '../system-fixture.ts';
import { recordsBeyond } from '../topic-growth.ts';

/** Of the topic and of its backup. */
const NAME = 'few';
const RECORDS = 5500;
const SMALL_PARTS = { compression: 'none', segment_max_bytes: '1MiB', frame_bytes: '64KiB' };
/** So that a restore takes longer than all its troubles, in which it sends some 2,000 records. */
const SLOW = { rate_limit_records_per_sec: 400, produce_batch_size: 100 };
const TROUBLE_MS = 700;
const MOST_TROUBLE_MS = 20_000;
/** Longer than a request takes. */
const DELAY_MS = 100;

/** Fills the topic that the functions of this file restore, and backs it up into each of the stores. */
export async function backUpForRestores(system: SystemFixture, clouds: readonly CloudStore[]): Promise<void> {
  const { probe, workspace } = system;
  await probe.createTopic(NAME);
  await probe.produce(NAME, { records: RECORDS, valueBytes: 500, batchSize: 8192 });
  const backUp = (cloud: CloudStore) =>
    workspace.backup({ backupId: NAME, topics: [NAME], store: cloud.storage(), backup: SMALL_PARTS });
  for (const run of await Promise.all(clouds.map(backUp))) assertExit(run, 0);
}

/** One restore that meets one trouble after the other while it is under way. */
export class TroubledRestore {
  readonly #system: SystemFixture;
  readonly #agent: AgentProcess;
  readonly #target: string;

  private constructor(system: SystemFixture, agent: AgentProcess, target: string) {
    this.#system = system;
    this.#agent = agent;
    this.#target = target;
  }

  /** Starts it, and waits for the first records. */
  static async start(
    system: SystemFixture,
    { name, storage }: { readonly name: string; readonly storage: NonNullable<RestoreSpec['store']> },
  ): Promise<TroubledRestore> {
    const target = targetOf('troubled', name);
    const spec = { backupId: NAME, topics: { [NAME]: target }, store: storage, restore: SLOW };
    const restore = new TroubledRestore(system, await system.workspace.startRestore(spec), target);
    await restore.goesOn();
    return restore;
  }

  /** Gives the trouble its time. Fails when the restore ends before it was met. */
  async untilMet(isMet: () => boolean): Promise<void> {
    await sleep(TROUBLE_MS);
    for (const deadline = Date.now() + MOST_TROUBLE_MS; !isMet(); await sleep(50)) {
      assert.ok(this.#agent.isRunning && Date.now() < deadline, `the restore met the trouble\n${this.#agent.stderr}`);
    }
  }

  /** Waits until more records arrive in the target than it holds now. */
  async goesOn(): Promise<void> {
    const { probe } = this.#system;
    const held = await probe.endOffsets(this.#target).catch(() => new Map<number, bigint>());
    await recordsBeyond(probe, this.#target, held.get(0) ?? 0n, this.#agent);
  }

  /** Waits for its end, and compares. */
  async isWhole(): Promise<void> {
    const { probe } = this.#system;
    assertExit(await this.#agent.exit(), 0);
    assert.equal(await assertSameRecords({ probe, topic: NAME }, { probe, topic: this.#target }), RECORDS);
  }
}

/**
 * Every answer with bytes of a segment takes a while: several of them are waited for at the same time. One of the last frames
 * arrives with a byte that is another one, however often it is asked for; the target holds what lies before it.
 */
export async function restoreOfDamagedRange({ probe, workspace }: SystemFixture, cloud: CloudStore): Promise<void> {
  const target = targetOf('damaged', cloud.name);
  const state = await workspace.catalog(NAME, cloud.store);
  const segment = [...state.incarnations[0]!.partitions.get(0)!.segments].at(-1)!;
  const frame = (await readFooter(cloud.store, segment)).frames.at(-2)!;
  const proxy = await FaultProxy.start(`http://${cloud.server.address}`, { keepHost: true });
  const arrivedAtMs: number[] = [];
  let damaged = 0;
  proxy.decide = (request) => {
    const position = rangeOf(request);
    if (position === undefined) return undefined;
    if (position === frame.position && decodeURIComponent(request.url).includes(segment.key)) {
      damaged += 1;
      return { kind: 'damage-answer' };
    }
    arrivedAtMs.push(performance.now());
    return { kind: 'delay', ms: DELAY_MS };
  };
  try {
    const store = cloud.storage({ endpoint: cloud.endpoint(proxy.address) });
    const run = await workspace.restore({ backupId: NAME, topics: { [NAME]: target }, store });
    assertExit(run, 13);
    assert.ok(damaged > 0, 'a range was damaged');
    // Azure sends a hash of every range, and its reader finds the damage before the segment's does.
    assert.equal(run.failure?.code, cloud.name === 'Azure Blob' ? 'STORE_CHECKSUM_MISMATCH' : 'OBJECT_CORRUPT');
    assert.ok(run.failure.message.includes(segment.key), run.failure.message);
  } finally {
    await proxy.stop();
  }
  // Each is held for this long: those that arrived within it are in flight at once.
  const most = Math.max(...arrivedAtMs.map((at) => arrivedAtMs.filter((t) => t >= at && t < at + DELAY_MS).length));
  assert.ok(most >= 3, `${most} of ${arrivedAtMs.length} ranges at once from ${cloud.name}`);
  const endOffset = (await probe.endOffsets(target)).get(0) ?? 0n;
  assert.ok(endOffset > 0n && endOffset <= frame.baseOffset, `${endOffset} records, damage at ${frame.baseOffset}`);
  const options = { offsets: { 0: { endOffset } } };
  const compared = await assertSameRecords({ probe, topic: NAME, options }, { probe, topic: target });
  assert.equal(BigInt(compared), endOffset);
}

function targetOf(what: string, name: string): string {
  return `${what} ${name}`.replaceAll(' ', '-');
}

/** First position of the bytes of a segment that are asked for; undefined where something else is. */
function rangeOf({ method, url, headers }: SeenRequest): number | undefined {
  if (method !== 'GET' || !decodeURIComponent(url).includes(`/${NAME}/data/`)) return undefined;
  const range = /^bytes=(\d+)-/.exec(String(headers['x-ms-range'] ?? headers.range ?? ''));
  return range === null ? undefined : Number(range[1]);
}
