// Wires restores: of the configured backup to the configured targets, for a command or for the control port of a running agent.

import { ObjectLayout } from '../../catalog/object-layout.ts';
import type { ConfigSource, OpenedRestore, StartedRestore } from '../../cli/services.ts';
import type { AgentConfig } from '../../config/agent-config.ts';
import type { ControlServer } from '../../control/control-server.ts';
import { KafkaRestoreSink } from '../../kafka/kafkajs-restore-sink.ts';
import { pause } from '../../model/back-off.ts';
import { BackupError, invariant } from '../../model/errors.ts';
import type { Logger } from '../../model/logger.ts';
import type { RestoreJob, RestoreJobs } from '../../restore/restore-job.ts';
import { RestoreService, type RestoreServiceOptions } from '../../restore/restore-service.ts';
import type { ObjectStore } from '../../storage/object-store.ts';
import { ObservedObjectStore } from '../../storage/observed-object-store.ts';
import { openStore } from '../../storage/open-store.ts';
import type { AgentLogger } from '../../telemetry/logger.ts';
import { monotonicMs, openCluster, openWorkers, wallMs } from '../adapters.ts';
import { configured } from '../configured.ts';
import { openControl } from '../open-control.ts';
import { openTelemetry, type Telemetry } from '../open-telemetry.ts';
import { configuredRequest, configuredSettings, unconfiguredTarget } from './restore-requests.ts';

export async function openRestore(source: ConfigSource): Promise<OpenedRestore> {
  const { config, logger } = await configured(source);
  const { restore } = config;
  const telemetry = await openTelemetry(config, null);
  const { store: plain, policy } = await openStore(config.storage, { observe: telemetry.observe, logger });
  const store = policy === null ? new ObservedObjectStore(plain, telemetry.observe) : plain;
  const service = createRestores(config, store, logger, {
    observer: { acknowledged: telemetry.countRestored, failed: () => {} },
    beforePlan: async () => {},
    unknownTarget: unconfiguredTarget,
  });
  telemetry.watch(
    () => null,
    () => service.list(),
  );
  let control: ControlServer | null = null;
  const begin = async (submit: () => RestoreJob | Promise<RestoreJob>): Promise<StartedRestore> => {
    control ??= await openOwnControl(config, service, telemetry.scrape, logger);
    return startedRestore(service, await submit());
  };
  return {
    request: configuredRequest(restore),
    topicTargets: restore.topicTargets,
    timeZone: restore.timeZone,
    limits: { recordsPerSecond: restore.rateLimitRecordsPerSec, bytesPerSecond: restore.rateLimitBytesPerSec },
    start: async (request) =>
      request.dryRun ? startedRestore(service, service.submit(request)) : begin(() => service.submit(request)),
    startPlan: (planId) => begin(() => service.submitPlan(planId)),
    resume: (id) => begin(() => service.resume(id)),
    abandon: (id) => service.abandon(id),
    async close() {
      await control?.stop();
      await service.stop();
      await store.close();
      logger.flush();
    },
  };
}

/**
 * The port of a file that is for restores; that of one for backups is its agent's. It shows and cancels, and begins nothing. A restore
 * is not given up for it: another one may have the address.
 */
async function openOwnControl(
  config: AgentConfig,
  service: RestoreService,
  scrape: Telemetry['scrape'],
  logger: AgentLogger,
): Promise<ControlServer | null> {
  if (config.mode !== 'restore') return null;
  try {
    return await openControl(config, { backup: null, restores: onlyShown(service), scrape, logger });
  } catch (error) {
    if (!(error instanceof BackupError)) throw error;
    logger.warn('the restore goes on without a control port', { error });
    return null;
  }
}

function onlyShown(service: RestoreService): RestoreJobs {
  const refuse = (): never => {
    throw new BackupError('FORBIDDEN', 'this process carries out one restore, and begins no other');
  };
  return {
    list: () => service.list(),
    get: (id) => service.get(id),
    report: (id) => service.report(id),
    cancel: (id) => service.cancel(id),
    submit: refuse,
    submitPlan: async () => refuse(),
    resume: async () => refuse(),
    abandon: async () => refuse(),
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
    patienceMs: restore.outageTimeoutMs,
    openSink: (name) => {
      const target = targets.get(name);
      invariant(target !== undefined, 'a restore names a target that is not configured');
      return new KafkaRestoreSink(openCluster(target, logger), {
        produceTimeoutMs: restore.produceTimeoutMs,
        patienceMs: restore.outageTimeoutMs,
        logger,
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
