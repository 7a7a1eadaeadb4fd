// Wires restores: of the configured backup to the configured targets, for a command or for the control port of a running agent.

import { ObjectLayout } from '../catalog/object-layout.ts';
import type { ConfigSource, OpenedRestore, StartedRestore } from '../cli/services.ts';
import type { AgentConfig } from '../config/agent-config.ts';
import { KafkaRestoreSink } from '../kafka/kafkajs-restore-sink.ts';
import { pause } from '../model/back-off.ts';
import { invariant } from '../model/errors.ts';
import type { Logger } from '../model/logger.ts';
import type { RestoreJob } from '../restore/restore-job.ts';
import { RestoreService, type RestoreServiceOptions } from '../restore/restore-service.ts';
import type { ObjectStore } from '../storage/object-store.ts';
import { openStore } from '../storage/open-store.ts';
import { monotonicMs, openCluster, openWorkers, wallMs } from './adapters.ts';
import { configured } from './configured.ts';
import { configuredRequest, configuredSettings, unconfiguredTarget } from './restore-requests.ts';

/** How long a restore waits for a target that is away. */
const TARGET_PATIENCE_MS = 600_000;

export async function openRestore(source: ConfigSource): Promise<OpenedRestore> {
  const { config, logger } = await configured(source);
  const { restore } = config;
  const { store } = await openStore(config.storage, { logger });
  const service = createRestores(config, store, logger, {
    observer: { acknowledged: () => {}, failed: () => {} },
    beforePlan: async () => {},
    unknownTarget: unconfiguredTarget,
  });
  return {
    request: configuredRequest(restore),
    topicTargets: restore.topicTargets,
    timeZone: restore.timeZone,
    limits: { recordsPerSecond: restore.rateLimitRecordsPerSec, bytesPerSecond: restore.rateLimitBytesPerSec },
    start: (request) => startedRestore(service, service.submit(request)),
    startPlan: async (planId) => startedRestore(service, await service.submitPlan(planId)),
    resume: async (id) => startedRestore(service, await service.resume(id)),
    async close() {
      await service.stop();
      await store.close();
      logger.flush();
    },
  };
}

function startedRestore(service: RestoreService, submitted: RestoreJob): StartedRestore {
  return {
    job: () => service.get(submitted.id) ?? submitted,
    finished: service.finished(submitted.id),
    cancel: () => service.cancel(submitted.id),
  };
}

/** What depends on who asks for restores. */
export type RestoreSurroundings = Pick<RestoreServiceOptions, 'observer' | 'beforePlan' | 'unknownTarget'>;

/** Restores of the configured backup to the configured targets. */
export function createRestores(
  config: AgentConfig,
  store: ObjectStore,
  logger: Logger,
  surroundings: RestoreSurroundings,
): RestoreService {
  const { restore, targets } = config;
  return new RestoreService({
    store,
    layout: new ObjectLayout(config.backupId),
    settings: configuredSettings(restore),
    openSink: (name) => {
      const target = targets.get(name);
      invariant(target !== undefined, 'a restore names a target that is not configured');
      return new KafkaRestoreSink(openCluster(target, logger), {
        produceTimeoutMs: restore.produceTimeoutMs,
        patienceMs: TARGET_PATIENCE_MS,
        monotonicMs,
      });
    },
    targets: [...targets.keys()],
    openWorkers: () => openWorkers(config.backup.compressionThreads),
    ...surroundings,
    logger,
    monotonicMs,
    wallMs,
    wait: pause,
  });
}
