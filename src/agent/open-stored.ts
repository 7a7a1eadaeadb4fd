// Wires what looks at a backup, or at an agent that runs.

import { ObjectLayout } from '../catalog/object-layout.ts';
import type { ConfigSource, OpenedStore, RunningAgent, StoreAddress } from '../cli/services.ts';
import { storageFromUrl } from '../config/storage/storage-url.ts';
import { BackupError } from '../model/errors.ts';
import { clearProgressLine } from '../progress-line.ts';
import { isDirectoryThere } from '../storage/filesystem/store-directory.ts';
import { openStore } from '../storage/open-store.ts';
import { createLogger } from '../telemetry/logger.ts';
import { configured } from './configured.ts';

export async function openStoredBackup(address: StoreAddress): Promise<OpenedStore> {
  const { storage, backupId, logger } =
    address.kind === 'path'
      ? {
          storage: storageFromUrl(address.path),
          backupId: address.backupId,
          logger: await createLogger({ level: 'warn', format: 'auto', beforeLine: clearProgressLine }),
        }
      : await configured(address.config).then(({ config, logger }) => ({
          storage: config.storage,
          backupId: address.backupId ?? config.backupId,
          logger,
        }));
  const { store } = await openStore(storage, { logger });
  return {
    store,
    backupId,
    isThere: async () => storage.kind !== 'filesystem' || isDirectoryThere(storage.path),
    layoutOf: (id) => new ObjectLayout(id),
    close: () => store.close(),
  };
}

/** The control port of the agent that runs, or should run, with this configuration. */
export async function openAgent(source: ConfigSource): Promise<RunningAgent> {
  const { config } = await configured(source);
  const { listen, tokenFile } = config.control;
  if (listen === null) {
    throw new BackupError('AGENT_UNREACHABLE', `${source.file} gives the agent no control port (control.listen)`);
  }
  const { ControlClient } = await import('../control/control-client.ts');
  const client = new ControlClient({ listen, tokenFile });
  return { url: client.url, backup: () => client.get(`/v1/backups/${encodeURIComponent(config.backupId)}`) };
}
