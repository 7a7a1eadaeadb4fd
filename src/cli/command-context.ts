// What every command is given, and the flags they share.

import type { Command } from 'commander';
import type { ObjectLayout } from '../catalog/object-layout.ts';
import { BackupError } from '../model/errors.ts';
import { unlessAborted } from '../model/unless-aborted.ts';
import type { ObjectStore } from '../storage/object-store.ts';
import type { ConfigSource, OpenedStore, Services, StoreAddress } from './services.ts';
import type { Terminal } from './output/terminal.ts';

export interface CommandContext {
  readonly services: Services;
  readonly terminal: Terminal;
  /** Sets the exit code of the process; the command returns afterwards. */
  readonly exit: (code: number) => void;
}

export interface GlobalFlags {
  readonly verbose: boolean;
  readonly json: boolean;
}

export function configSource(flags: GlobalFlags & { readonly config: string }): ConfigSource {
  return { file: flags.config, overrides: {}, isVerbose: flags.verbose };
}

/** Flags of the commands that read a stored backup. */
export interface StoreFlags extends GlobalFlags {
  readonly config?: string;
  readonly path?: string;
  readonly backupId?: string;
}

/** @throws USAGE_INVALID unless exactly one of --config and --path is given. */
export function storeAddress(flags: StoreFlags): StoreAddress {
  const { config, path, backupId } = flags;
  if (config !== undefined && path === undefined) {
    return { kind: 'config', config: { file: config, overrides: {}, isVerbose: flags.verbose }, backupId };
  }
  if (path !== undefined && config === undefined) return { kind: 'path', path, backupId };
  throw new BackupError('USAGE_INVALID', 'name the backup with --config FILE, or with --path STORE and --backup-id ID');
}

/** The flags of {@link StoreFlags}, for a command that reads a stored backup. */
export function withStoreOptions(command: Command): Command {
  return command
    .option('-c, --config <file>', 'configuration (YAML) that names the store and the backup')
    .option('-p, --path <store>', 'the store itself: a directory or a URL')
    .option('-b, --backup-id <id>', 'the backup in it');
}

/** So long after it was told to stop, a command is left alone: a store that is away may hold it up for minutes. */
const STOP_GRACE_MS = 2000;

/** Opens the store for as long as `action` runs. @throws USAGE_INVALID as {@link storeAddress}; INTERRUPTED. */
export async function withStore<T>(
  { services, terminal }: CommandContext,
  flags: StoreFlags,
  action: (opened: OpenedStore) => Promise<T>,
): Promise<T> {
  const address = storeAddress(flags);
  return unlessStopped(terminal.signals.stop, async () => {
    const opened = await services.openStore(address);
    try {
      return await action(opened);
    } finally {
      await opened.close();
    }
  });
}

async function unlessStopped<T>(stop: AbortSignal, work: () => Promise<T>): Promise<T> {
  const late = new AbortController();
  const onStop = (): void => void setTimeout(() => late.abort(), STOP_GRACE_MS).unref();
  stop.addEventListener('abort', onStop, { once: true });
  try {
    const done = await unlessAborted(
      work().then((value) => ({ value })),
      late.signal,
    );
    if (done === undefined) throw new BackupError('INTERRUPTED', 'stopped before the store had answered');
    return done.value;
  } finally {
    stop.removeEventListener('abort', onStop);
  }
}

/** The same for the one backup that is named. @throws USAGE_INVALID when none is. */
export function withBackup<T>(
  context: CommandContext,
  flags: StoreFlags,
  action: (store: ObjectStore, layout: ObjectLayout) => Promise<T>,
): Promise<T> {
  return withStore(context, flags, ({ store, backupId, layoutOf }) => {
    if (backupId === undefined) {
      throw new BackupError('USAGE_INVALID', 'say which backup with --backup-id ID; kafka-backup list shows them');
    }
    return action(store, layoutOf(backupId));
  });
}
