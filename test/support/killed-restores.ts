// Restores that a test kills with SIGKILL. Their journal, in a store on this disk, proves that a kill hit: the attempt had begun,
// its process was alive, and the restore was not complete. Kills that hit nothing fail the test.
import assert from 'node:assert/strict';
import { existsSync, globSync } from 'node:fs';
import { basename, dirname, join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import type { AgentProcess, AgentRun, JsonObject } from './agent-process.ts';
import { type AgentWorkspace, assertExit, type RestoreSpec, restoredRecords } from './agent-workspace.ts';

const POLL_MS = 5;
const BEGIN_TIMEOUT_MS = 60_000;

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
  readonly #directory: string;

  constructor(workspace: AgentWorkspace, backupId: string) {
    this.#workspace = workspace;
    this.#directory = join(workspace.store, backupId, 'restores');
  }

  /** Resolves when the attempt has begun: what the restore is about to do is written down, nothing is done yet. */
  async start(spec: RestoreSpec): Promise<RunningRestore> {
    const before = new Set(this.#begun());
    const agent = await this.#workspace.startRestore(spec);
    for (const deadline = Date.now() + BEGIN_TIMEOUT_MS; Date.now() < deadline; await sleep(POLL_MS)) {
      const begun = this.#begun().find((path) => !before.has(path));
      if (begun !== undefined) return { id: basename(dirname(dirname(dirname(begun)))), agent };
      assert.ok(agent.isRunning, `the restore ended before it had begun\n${agent.stderr}`);
    }
    throw new Error(`the restore did not begin\n${agent.stderr}`);
  }

  /** Path of one object of a restore's journal. */
  journal(id: string, name: string): string {
    return join(this.#directory, id, `${name}.json`);
  }

  assertUnderWay({ id, agent }: RunningRestore): void {
    assert.ok(agent.isRunning, `the restore had ended\n${agent.stderr}`);
    assert.ok(!existsSync(this.journal(id, 'report')), 'the restore was complete');
  }

  async kill(restore: RunningRestore): Promise<void> {
    this.assertUnderWay(restore);
    assert.ok(restore.agent.signal('SIGKILL'));
    assert.equal((await restore.agent.ended).signal, 'SIGKILL');
    assert.ok(!existsSync(this.journal(restore.id, 'report')), 'the restore was complete');
    this.kills += 1;
  }

  /** Carries a killed restore on to its end. @returns a run whose report counts every attempt */
  async finish(id: string, spec: RestoreSpec): Promise<AgentRun> {
    return this.finished(id, await (await this.#workspace.startRestore(spec)).exit());
  }

  /** Asserts that a killed restore has come to its end, and that its report is of all of it. */
  finished(id: string, run: AgentRun): AgentRun {
    assertExit(run, 0);
    assert.equal(run.summary.id, id);
    const report = run.summary.report as Readonly<Record<string, JsonObject>>;
    const { all_attempts: all, last_attempt: last } = report;
    assert.equal(all?.attempts, this.#begun(id).length);
    assert.equal(all?.records_restored, restoredRecords(run.summary));
    this.killedMs += Number(all?.duration_ms) - Number(last?.duration_ms);
    this.restores += 1;
    return run;
  }

  #begun(id = '*'): string[] {
    return globSync(join(this.#directory, id, 'attempts', '*', 'begun.json'));
  }
}
