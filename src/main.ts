#!/usr/bin/env node
// Process entry: arguments, signals, exit codes. Nobody imports it.

import nodeModule from 'node:module';

const USAGE_EXIT_CODE = 2;
const INTERRUPTED_EXIT_CODE = 130;

const [major = 0, minor = 0] = process.versions.node.split('.').map(Number);
if (major < 22 || (major === 22 && minor < 18)) {
  process.stderr.write(`kafka-backup needs Node 22.18 or newer; this is ${process.versions.node}\n`);
  process.exit(USAGE_EXIT_CODE);
}

const stopping = new AbortController();
for (const signal of ['SIGINT', 'SIGTERM'] as const) {
  process.on(signal, () => {
    if (stopping.signal.aborted) process.exit(INTERRUPTED_EXIT_CODE);
    stopping.abort();
  });
}

// Compiled code of packages is kept in the temporary directory: it shortens the start of the next command. Hence the import after it.
nodeModule.enableCompileCache();
const { runCommandLine } = await import('./agent.ts');
const exitCode = await runCommandLine(process.argv.slice(2), stopping.signal);
// What is left open by then, such as a socket that is being closed, is not worth waiting for.
process.exit(exitCode);
