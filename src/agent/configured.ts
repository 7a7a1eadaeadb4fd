// The configuration that a command names, loaded, with the logger that it asks for.

import type { ConfigSource, EffectiveConfig } from '../cli/services.ts';
import type { AgentConfig } from '../config/agent-config.ts';
import { loadConfig } from '../config/load-config.ts';
import { originText, renderProblems } from '../config/problems.ts';
import { BackupError } from '../model/errors.ts';
import { clearProgressLine } from '../progress-line.ts';
import { type AgentLogger, createLogger } from '../telemetry/logger.ts';

/** Loads the configuration and says what it has to say. @throws CONFIG_INVALID with every problem. */
export async function configured(
  source: ConfigSource,
): Promise<{ readonly config: AgentConfig; readonly logger: AgentLogger }> {
  const loaded = loadConfig({ file: source.file, overrides: source.overrides });
  if (loaded.kind === 'invalid') throw new BackupError('CONFIG_INVALID', renderProblems(loaded.problems));
  const { level, format } = loaded.config.logging;
  const logger = await createLogger({
    level: source.isVerbose ? 'debug' : level,
    format,
    beforeLine: clearProgressLine,
  });
  for (const { kind, origin, key, message } of loaded.notices) {
    logger[kind === 'warning' ? 'warn' : 'info'](`configuration: ${message}`, { key, at: originText(origin) });
  }
  return { config: loaded.config, logger };
}

export function effectiveConfig(source: ConfigSource): EffectiveConfig {
  const loaded = loadConfig({ file: source.file, overrides: source.overrides });
  if (loaded.kind === 'invalid') throw new BackupError('CONFIG_INVALID', renderProblems(loaded.problems));
  const notices = loaded.notices.map(({ kind, origin, key, message }) => ({
    kind,
    key,
    message,
    origin: originText(origin),
  }));
  return { values: loaded.effective(), notices };
}
