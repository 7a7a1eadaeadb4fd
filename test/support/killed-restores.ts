// Restores that a test kills with SIGKILL. Their journal, looked at in the store, proves that a kill hit: the attempt had begun,
// its process was alive, and the restore was not complete. Kills that hit nothing fail the test.
import assert from 'node:assert/strict';
import { setTimeout as sleep } from 'node:timers/promises';
import { ObjectLayout, type RestoreObject } from '../../src/catalog/object-layout.ts';
import type { ObjectStore } from '../../src/storage/object-store.ts';
import type { AgentProcess, AgentRun, JsonObject } from './agent-process.ts';
import { type AgentWorkspace, assertExit, type RestoreSpec, restoredRecords } from './agent-workspace.ts';

const POLL_MS = 5;
const BEGIN_TIMEOUT_MS = 60_000;
/** Greater than every character that a key holds. */
const BEHIND_ALL_KEYS = '~';

export interface RunningRestore {
  readonly id: string;
  readonly agent: AgentProcess;
}

export class KilledRestores {
  /** That hit. */
  kills = 0;
  /** That were killed at least once and carried on to their end. */
  restores = 0;
  /** Milliseconds that their reports count for the attempts that were killed. */
  killedMs = 0;
  readonly #workspace: AgentWorkspace;
  readonly #store: ObjectStore;
  readonly #layout: ObjectLayout;
  /** Of the newest restore that has come to its end. Ids are in the order of their time, so what begins later lies behind it. */
  #finishedId: string | undefined;

  constructor(workspace: AgentWorkspace, backupId: string) {
    this.#workspace = workspace;
    this.#store = workspace.place.store;
    this.#layout = new ObjectLayout(backupId);
  }

  /** Resolves when the attempt has begun: what the restore is about to do is written down, nothing is done yet. */
  async start(spec: RestoreSpec): Promise<RunningRestore> {
    const before = new Set(await this.#begun());
    const agent = await this.#workspace.startRestore(spec);
    for (const deadline = Date.now() + BEGIN_TIMEOUT_MS; Date.now() < deadline; await sleep(POLL_MS)) {
      const begun = (await this.#begun()).find((key) => !before.has(key));
      if (begun !== undefined) return { id: this.#layout.restoreOf(begun)!, agent };
      assert.ok(agent.isRunning, `the restore ended before it had begun\n${agent.stderr}`);
    }
    throw new Error(`the restore did not begin\n${agent.stderr}`);
  }

  /** Whether a restore's journal has this object. */
  async hasWritten(id: string, name: RestoreObject): Promise<boolean> {
    return (await this.#store.head(this.#layout.restoreObject(id, name))) !== undefined;
  }

  async assertUnderWay({ id, agent }: RunningRestore): Promise<void> {
    assert.ok(!(await this.hasWritten(id, 'report')), 'the restore was complete');
    assert.ok(agent.isRunning, `the restore had ended\n${agent.stderr}`);
  }

  async kill(restore: RunningRestore): Promise<void> {
    await this.assertUnderWay(restore);
    assert.ok(restore.agent.signal('SIGKILL'));
    assert.equal((await restore.agent.ended).signal, 'SIGKILL');
    assert.ok(!(await this.hasWritten(restore.id, 'report')), 'the restore was complete');
    this.kills += 1;
  }

  /** Carries a killed restore on to its end. @returns a run whose report counts every attempt */
  async finish(id: string, spec: RestoreSpec): Promise<AgentRun> {
    return this.finished(id, await (await this.#workspace.startRestore(spec)).exit());
  }

  /** Asserts that a killed restore has come to its end, and that its report is of all of it. */
  async finished(id: string, run: AgentRun): Promise<AgentRun> {
    assertExit(run, 0);
    assert.equal(run.summary.id, id);
    const report = run.summary.report as Readonly<Record<string, JsonObject>>;
    const { all_attempts: all, last_attempt: last } = report;
    const begun = (await this.#begun()).filter((key) => this.#layout.restoreOf(key) === id);
    assert.equal(all?.attempts, begun.length);
    assert.equal(all?.records_restored, restoredRecords(run.summary));
    this.killedMs += Number(all?.duration_ms) - Number(last?.duration_ms);
    this.restores += 1;
    this.#finishedId = id;
    return run;
  }

  /** Keys of the attempts that have begun, of restores behind the newest that was finished. */
  async #begun(): Promise<string[]> {
    const { restoresPrefix } = this.#layout;
    const behind = this.#finishedId === undefined ? '' : `${restoresPrefix}${this.#finishedId}/${BEHIND_ALL_KEYS}`;
    const keys: string[] = [];
    for await (const { key } of this.#store.list(restoresPrefix, behind)) {
      if (this.#layout.attemptOf(key) !== undefined && key.endsWith('/begun.json')) keys.push(key);
    }
    return keys;
  }
}
