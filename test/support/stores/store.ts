// Somewhere to keep backups, as tests see it: how the agent is told of it, and a way to look into it from outside. What is tested of
// every place does not ask which one it is.
import { FilesystemObjectStore } from '../../../src/storage/filesystem/filesystem-object-store.ts';
import type { ObjectStore } from '../../../src/storage/object-store.ts';

type Section = Readonly<Record<string, unknown>>;

export interface Store {
  /** To look into it from outside the agent. */
  readonly store: ObjectStore;
  /** Section `storage` of the configuration. */
  storage(change?: Section): Section;
  /** For commands that take the address of a store, with what they need of the environment. */
  readonly url: string;
  readonly env: Readonly<Record<string, string>>;
  stop(): Promise<void>;
}

/** A directory that another one owns: nothing is removed in the end. It need not exist. */
export function directoryStore(path: string): Store {
  const store = new FilesystemObjectStore(path);
  return {
    store,
    storage: (change = {}) => ({ backend: 'filesystem', path, ...change }),
    url: path,
    env: {},
    stop: () => store.close(),
  };
}
