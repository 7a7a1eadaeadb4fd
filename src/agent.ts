// The wiring, by command: agent/ builds adapters and decorators from the configuration, hands them to the flows, starts and stops
// in order. Each part is loaded when its command is given, since nobody should wait for the others.

import { openWorkers } from './agent/adapters.ts';
import { effectiveConfig } from './agent/configured.ts';
import { runProgram } from './cli/program.ts';
import type { Services } from './cli/services.ts';
import { zstdImplementation } from './compression/frame-codec.ts';
import { configJsonSchema } from './config/json-schema.ts';
import { packageVersion } from './package-files.ts';
import { openTerminal } from './process-terminal.ts';

/** Runs one command line, without the name of the program, until it ends or `stop` aborts. @returns the exit code */
export async function runCommandLine(args: readonly string[], stop: AbortSignal): Promise<number> {
  const terminal = openTerminal({ stop });
  const exitCode = await runProgram(args, createServices(), terminal);
  await terminal.flushed();
  return exitCode;
}

/** What the command line runs on. */
export function createServices(): Services {
  return {
    version: packageVersion(),
    zstdImplementation,
    openBackup: async (source) => (await import('./agent/open-backup.ts')).openBackup(source),
    openRestore: async (source) => (await import('./agent/restore/open-restore.ts')).openRestore(source),
    openVerification: async (source) => (await import('./agent/restore/open-verification.ts')).openVerification(source),
    openImport: async (config, source) => (await import('./agent/open-import.ts')).openImport(config, source),
    openStore: async (address) => (await import('./agent/open-stored.ts')).openStoredBackup(address),
    openAgent: async (source) => (await import('./agent/open-stored.ts')).openAgent(source),
    openEstimate: async (source) => (await import('./agent/open-diagnosis.ts')).openEstimate(source),
    openDoctor: async (source) => (await import('./agent/open-diagnosis.ts')).openDoctor(source),
    openWorkers: () => openWorkers(null),
    effectiveConfig,
    configSchema: configJsonSchema,
  };
}
