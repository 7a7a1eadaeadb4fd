// What every opened command stands on: the Kafka client, the threads, the clocks, our version.

import { createRequire } from 'node:module';
import { availableParallelism } from 'node:os';
import { PiscinaPool } from '../compression/piscina-pool.ts';
import type { WorkerPool } from '../compression/worker-pool.ts';
import type { KafkaConfig } from '../config/agent-config.ts';
import { KafkaCluster } from '../kafka/cluster.ts';
import { connectionSettings, parseAddress } from '../kafka/connection-settings.ts';
import { BackupError, type ErrorCode } from '../model/errors.ts';
import type { Logger } from '../model/logger.ts';

export function openCluster(config: KafkaConfig, logger: Logger): KafkaCluster {
  return new KafkaCluster(config.bootstrapServers.map(parseAddress), connectionSettings(config), logger);
}

/** Worker threads; `wanted` null means as many as there are cores. The entry runs from source and from the built package. */
export function openWorkers(wanted: number | null, keptThreads?: number): WorkerPool {
  const threads = wanted ?? availableParallelism();
  const extension = import.meta.url.endsWith('.ts') ? 'ts' : 'js';
  return new PiscinaPool({
    entry: new URL(`../frame-worker.${extension}`, import.meta.url),
    threads,
    keptThreads: keptThreads ?? threads,
    toError: (code, message) => new BackupError(code as ErrorCode, message),
  });
}

export function monotonicMs(): number {
  return performance.now();
}

export function wallMs(): number {
  return Date.now();
}

export function packageVersion(): string {
  const { version } = createRequire(import.meta.url)('../../package.json') as { readonly version: string };
  return version;
}
