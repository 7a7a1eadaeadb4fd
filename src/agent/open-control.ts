// Wires the control port of a process: who may call it, what it shows, and what it may start.

import type { BackupStatus } from '../backup/progress/backup-status.ts';
import type { AgentConfig } from '../config/agent-config.ts';
import type { ControlServer } from '../control/control-server.ts';
import { packageVersion } from '../package-files.ts';
import type { RestoreJobs } from '../restore/restore-job.ts';
import type { AgentLogger } from '../telemetry/logger.ts';
import type { MetricsPage } from '../telemetry/metrics.ts';
import { wallMs } from './adapters.ts';
import { DEFAULT_TARGET, readRestore } from './restore/restore-requests.ts';

export interface ControlParts {
  /** Null: this process makes no backup. */
  readonly backup: (() => BackupStatus) | null;
  readonly restores: RestoreJobs;
  readonly scrape: (() => Promise<MetricsPage>) | null;
  readonly logger: AgentLogger;
}

/**
 * The server is imported only where it is wanted: it is a third of what a one-shot command would load. Null where none is.
 * @throws CONFIG_INVALID when the address cannot be listened on.
 */
export async function openControl(
  config: AgentConfig,
  { backup, restores, scrape, logger }: ControlParts,
): Promise<ControlServer | null> {
  const { listen, tokenFile, allowedHosts } = config.control;
  if (listen === null || scrape === null) return null;
  const { startControlServer } = await import('../control/control-server.ts');
  const { openTokenFile } = await import('../control/token-file.ts');
  return startControlServer({
    listen,
    token: tokenFile === null ? null : await openTokenFile(tokenFile, logger),
    allowedHosts,
    backup,
    restores,
    readRestore,
    metrics: scrape,
    defaultTarget: DEFAULT_TARGET,
    targets: [...config.targets.keys()],
    version: packageVersion(),
    logger,
    now: wallMs,
  });
}
