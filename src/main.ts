#!/usr/bin/env node
// Process entry: arguments, signals, exit codes. Nobody imports it.

import { createServices } from './agent.ts';
import { runProgram } from './cli/program.ts';
import { openTerminal } from './process-terminal.ts';

const INTERRUPTED_EXIT_CODE = 130;

// kafkajs 2.2.4 arms a timer with a negative delay, which Node 24 remarks on (tulios/kafkajs#1751); nothing depends on it.
process.removeAllListeners('warning');
process.on('warning', (warning) => {
  if (warning.name !== 'TimeoutNegativeWarning') process.stderr.write(`${warning.name}: ${warning.message}\n`);
});

const stopping = new AbortController();
for (const signal of ['SIGINT', 'SIGTERM'] as const) {
  process.on(signal, () => {
    if (stopping.signal.aborted) process.exit(INTERRUPTED_EXIT_CODE);
    stopping.abort();
  });
}

const terminal = openTerminal({ stop: stopping.signal });
const exitCode = await runProgram(process.argv.slice(2), createServices(), terminal);
await terminal.flushed();
// What is left open by then, such as a socket that is being closed, is not worth waiting for.
process.exit(exitCode);
