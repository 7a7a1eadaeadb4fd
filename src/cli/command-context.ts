// What every command is given, and the flags they share.

import type { ConfigSource, Services, StoreAddress } from './services.ts';
import type { Terminal } from './terminal.ts';
import { BackupError } from '../model/errors.ts';

export interface CommandContext {
  readonly services: Services;
  readonly terminal: Terminal;
  /** Sets the exit code of the process; the command returns afterwards. */
  readonly exit: (code: number) => void;
}

export interface GlobalFlags {
  readonly verbose: number;
  readonly json: boolean;
}

export function configSource(flags: GlobalFlags & { readonly config: string }): ConfigSource {
  return { file: flags.config, overrides: {}, verbosity: flags.verbose };
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
    return { kind: 'config', config: { file: config, overrides: {}, verbosity: flags.verbose }, backupId };
  }
  if (path !== undefined && config === undefined) return { kind: 'path', path, backupId };
  throw new BackupError('USAGE_INVALID', 'name the backup with --config FILE, or with --path STORE and --backup-id ID');
}
