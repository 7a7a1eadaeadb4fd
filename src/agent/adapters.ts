// What every opened command stands on: the Kafka client, the threads, the clocks.

import { availableParallelism } from 'node:os';
import { PiscinaPool } from '../compression/piscina-pool.ts';
import type { WorkerPool } from '../compression/worker-pool.ts';
import type { KafkaConfig } from '../config/agent-config.ts';
import { KafkaCluster } from '../kafka/connection/cluster.ts';
import { connectionSettings, parseAddress } from '../kafka/connection/connection-settings.ts';
import { BackupError, type ErrorCode } from '../model/errors.ts';
import type { Logger } from '../model/logger.ts';
import { frameWorkerEntry } from '../package-files.ts';

export function openCluster(config: KafkaConfig, logger: Logger): KafkaCluster {
  return new KafkaCluster(config.bootstrapServers.map(parseAddress), connectionSettings(config), logger);
}

/** Worker threads; `wanted` null means as many as there are cores. */
export function openWorkers(wanted: number | null, keptThreads?: number): WorkerPool {
  const threads = wanted ?? availableParallelism();
  return new PiscinaPool({
    entry: frameWorkerEntry(),
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
