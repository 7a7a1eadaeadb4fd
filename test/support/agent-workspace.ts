// A directory with stores and configuration files in which a test runs the agent against a broker. It is removed at the end,
// and every agent that is still running in it is killed before.
import assert from 'node:assert/strict';
import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { readCatalog } from '../../src/catalog/catalog-reader.ts';
import type { CatalogState, IncarnationHistory } from '../../src/catalog/catalog-state.ts';
import { ObjectLayout } from '../../src/catalog/object-layout.ts';
import type { ObjectStore } from '../../src/storage/object-store.ts';
import { type AgentOptions, AgentProcess, type AgentRun, type JsonObject } from './agent-process.ts';
import { directoryStore, type Store } from './stores/store.ts';

const POLL_MS = 50;
const CATALOG_TIMEOUT_MS = 60_000;

/** Keys of a section of the configuration, as in config/REFERENCE.md. */
type Section = Readonly<Record<string, unknown>>;

export interface BackupSpec {
  readonly backupId: string;
  /** Address of the source; the workspace's broker unless given. */
  readonly bootstrap?: string;
  /** Names, globs, regular expressions. */
  readonly topics: readonly string[];
  readonly backup?: Section;
  readonly source?: Section;
  /** Section `control`; without it there is no control port. */
  readonly control?: Section;
  /** Section `target`, for restores through the control port. */
  readonly target?: Section;
  /** Directory of the store, or section `storage` for another kind; the workspace's place unless given. */
  readonly store?: string | Section;
  readonly run?: Omit<AgentOptions, 'cwd'>;
}

export interface RestoreSpec {
  readonly backupId: string;
  /** Address of the target; the workspace's broker unless given. */
  readonly bootstrap?: string;
  /** From the backup's name to the target's; these topics are restored. */
  readonly topics: Readonly<Record<string, string>>;
  readonly restore?: Section;
  readonly target?: Section;
  /** Section `control`; without it there is no control port. */
  readonly control?: Section;
  /** Further arguments, e.g. `--to`. */
  readonly args?: readonly string[];
  /** `validate-restore` shows the plan only. */
  readonly command?: 'restore' | 'validate-restore';
  /** Results and failures as text instead of JSON. */
  readonly asText?: boolean;
  readonly store?: string | Section;
  readonly run?: Omit<AgentOptions, 'cwd'>;
}

export interface ImportSpec {
  /** Of the backup that is made. */
  readonly backupId: string;
  /** Directory or URL of the other program's store. */
  readonly from: string;
  /** Further arguments, e.g. `--backup-id`. */
  readonly args?: readonly string[];
  readonly backup?: Section;
  readonly run?: Omit<AgentOptions, 'cwd'>;
}

export class AgentWorkspace {
  readonly directory: string;
  /** Directory of the store, when that is not elsewhere. */
  readonly store: string;
  /** Where backups are kept, unless told. */
  readonly place: Store;
  readonly #bootstrap: () => string;
  readonly #agents: AgentProcess[] = [];
  #files = 0;

  private constructor(directory: string, bootstrap: () => string, place: Store | undefined) {
    this.directory = directory;
    this.store = join(directory, 'store');
    this.place = place ?? directoryStore(this.store);
    this.#bootstrap = bootstrap;
  }

  /** `bootstrap` is asked when an agent starts; `place` is the directory `store` unless given, and its owner stops it. */
  static async create(bootstrap: () => string, place?: Store): Promise<AgentWorkspace> {
    return new AgentWorkspace(await mkdtemp(join(tmpdir(), 'kafka-backup-agent-')), bootstrap, place);
  }

  async close(): Promise<void> {
    for (const agent of this.#agents) {
      agent.signal('SIGKILL');
      await agent.ended.catch(() => {});
    }
    await rm(this.directory, { recursive: true, force: true, maxRetries: 3 });
  }

  /** Runs a backup to its end. */
  async backup(spec: BackupSpec): Promise<AgentRun> {
    return (await this.startBackup(spec)).exit();
  }

  async startBackup(spec: BackupSpec): Promise<AgentProcess> {
    const { backupId, topics, backup = {}, source = {}, bootstrap = this.#bootstrap() } = spec;
    const { control = { listen: false }, target } = spec;
    const config = {
      mode: 'backup',
      backup_id: backupId,
      source: { bootstrap_servers: [bootstrap], topics: { include: topics }, ...source },
      storage: this.#storage(spec.store),
      backup,
      control,
      ...(target === undefined ? {} : { target }),
    };
    return this.#start('backup', config, ['--json'], spec.run);
  }

  /** Runs a restore to its end. */
  async restore(spec: RestoreSpec): Promise<AgentRun> {
    return (await this.startRestore(spec)).exit();
  }

  async startRestore(spec: RestoreSpec): Promise<AgentProcess> {
    const { backupId, topics, restore = {}, target = {}, control = {}, args = [] } = spec;
    const { bootstrap = this.#bootstrap(), command = 'restore', asText = false } = spec;
    const config = {
      mode: 'restore',
      backup_id: backupId,
      target: { bootstrap_servers: [bootstrap], ...target },
      storage: this.#storage(spec.store),
      restore: { topics: { include: Object.keys(topics) }, topic_mapping: topics, ...restore },
      control,
    };
    return this.#start(command, config, asText ? args : ['--json', ...args], spec.run);
  }

  /** Runs an import to its end. */
  async import(spec: ImportSpec): Promise<AgentRun> {
    return (await this.startImport(spec)).exit();
  }

  async startImport({ backupId, from, args = [], backup = {}, run = {} }: ImportSpec): Promise<AgentProcess> {
    const config = {
      mode: 'backup',
      backup_id: backupId,
      source: { bootstrap_servers: [this.#bootstrap()] },
      storage: this.#storage(),
      backup,
    };
    return this.#start('import', config, ['--json', '--from', from, ...args], run);
  }

  /** Verifies a restore of `backupId`: the newest unless its id is given. */
  async verifyRestore(backupId: string, restoreId?: string): Promise<AgentRun> {
    const args = restoreId === undefined ? ['--json'] : ['--json', restoreId];
    return (await this.#start('verify-restore', this.#stored(backupId), args)).exit();
  }

  /** Reads every byte of a backup. */
  async validate(backupId: string): Promise<AgentRun> {
    return (await this.#start('validate', this.#stored(backupId), ['--json', '--deep'])).exit();
  }

  /** The catalog as it is now, every commit checked. */
  catalog(backupId: string, store: string | ObjectStore = this.place.store): Promise<CatalogState> {
    const opened = typeof store === 'string' ? directoryStore(store).store : store;
    return readCatalog(opened, new ObjectLayout(backupId), { ignoreCheckpoints: true });
  }

  /** Waits until the catalog fulfils `condition`. @throws after a minute, or when it cannot be read */
  async catalogUntil(
    backupId: string,
    condition: (state: CatalogState) => boolean,
    store: string | ObjectStore = this.place.store,
  ): Promise<CatalogState> {
    const deadline = Date.now() + CATALOG_TIMEOUT_MS;
    for (;;) {
      const state = await this.catalog(backupId, store);
      if (condition(state)) return state;
      if (Date.now() > deadline) {
        const said = this.#agents.map(({ pid, stderr }) => `agent ${pid}: ${stderr.slice(-4000)}`).join('\n');
        throw new Error(`the catalog of ${backupId} stayed at version ${state.version}\n${said}`);
      }
      await sleep(POLL_MS);
    }
  }

  /** Runs a command that takes the address of the store. */
  byAddress(backupId: string, ...args: readonly string[]): Promise<AgentRun> {
    const { directory: cwd, place } = this;
    return new AgentProcess([...args, '--path', place.url, '--backup-id', backupId], { cwd, env: place.env }).exit();
  }

  #storage(store: string | Section = this.place.storage()): Section {
    return typeof store === 'string' ? directoryStore(store).storage() : store;
  }

  #stored(backupId: string): Section {
    return {
      mode: 'restore',
      backup_id: backupId,
      target: { bootstrap_servers: [this.#bootstrap()] },
      storage: this.#storage(),
    };
  }

  async #start(
    command: 'backup' | 'restore' | 'validate-restore' | 'import' | 'verify-restore' | 'validate',
    config: unknown,
    args: readonly string[],
    run: Omit<AgentOptions, 'cwd'> = {},
  ): Promise<AgentProcess> {
    this.#files += 1;
    const file = join(this.directory, `${command}-${this.#files}.yaml`);
    // JSON is YAML.
    await writeFile(file, JSON.stringify(config, null, 2));
    const agent = new AgentProcess([command, '--config', file, ...args], { cwd: this.directory, ...run });
    this.#agents.push(agent);
    return agent;
  }
}

/** Fails with everything the agent said unless it ended with this code. */
export function assertExit(run: AgentRun, exitCode: number): void {
  const { failure, signal, stdout, stderr } = run;
  assert.equal(run.exitCode, exitCode, `exit code of the agent (${failure?.message ?? signal})\n${stdout}${stderr}`);
}

/** The only life of a topic that the catalog knows. */
export function onlyIncarnation(state: CatalogState, topic: string): IncarnationHistory {
  const lives = state.incarnations.filter((life) => life.topic === topic);
  assert.equal(lives.length, 1, `lives of ${topic} in the catalog`);
  return lives[0]!;
}

/** Records of all topics in the catalog. */
export function committedRecords({ incarnations }: CatalogState): number {
  const held = incarnations.flatMap(({ partitions }) => [...partitions.values()]);
  return held.reduce((total, { segments }) => total + segments.reduce((n, one) => n + one.recordCount, 0), 0);
}

/** Next offset of a partition in the catalog; 0 while nothing is committed. */
export function committedOffset(state: CatalogState, topic: string, partition = 0): bigint {
  const life = state.incarnations.findLast((one) => one.topic === topic);
  return life?.partitions.get(partition)?.resume?.nextOffset ?? 0n;
}

/** Records dropped by a restore, by reason, over all partitions. */
export function droppedRecords(summary: JsonObject): Record<string, number> {
  const partitions = summary.partitions as readonly { readonly dropped: Readonly<Record<string, number>> }[];
  const total: Record<string, number> = {};
  for (const { dropped } of partitions) {
    for (const [reason, count] of Object.entries(dropped)) {
      if (count > 0) total[reason] = (total[reason] ?? 0) + count;
    }
  }
  return total;
}

/** Records that a restore counted. */
export function restoredRecords(summary: JsonObject): number {
  return (summary.progress as { readonly records_done: number }).records_done;
}
