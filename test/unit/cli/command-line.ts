// The command line run inside the test, on the real services: what it printed, said, and would have exited with.

import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { createServices } from '../../../src/agent.ts';
import { runProgram } from '../../../src/cli/program.ts';
import type { Terminal } from '../../../src/cli/output/terminal.ts';

export interface CommandResult {
  readonly exitCode: number;
  readonly stdout: string;
  /** As bytes, for `--raw`. */
  readonly output: Buffer;
  readonly stderr: string;
}

export interface CommandRun {
  readonly stop?: AbortSignal;
  /** Told of every chunk of `cat` before the next one may come. */
  readonly onBytes?: (bytes: Uint8Array) => Promise<void>;
  readonly onResult?: (text: string) => void;
}

export async function runCommand(args: readonly string[], run: CommandRun = {}): Promise<CommandResult> {
  const output: Buffer[] = [];
  const said: string[] = [];
  const result = (text: string): void => {
    output.push(Buffer.from(`${text}\n`));
    run.onResult?.(text);
  };
  const terminal: Terminal = {
    isInteractive: false,
    hasReader: true,
    signals: { stop: run.stop ?? new AbortController().signal },
    result,
    renewed: result,
    bytes: async (bytes) => {
      output.push(Buffer.from(bytes));
      await run.onBytes?.(bytes);
    },
    say: (text) => said.push(text),
    progress: () => {},
  };
  const exitCode = await runProgram(args, createServices(), terminal);
  const joined = Buffer.concat(output);
  return { exitCode, stdout: joined.toString(), output: joined, stderr: said.join('\n') };
}

/** A JSON document whose fields are looked at one by one. */
// biome-ignore lint/suspicious/noExplicitAny: the shape is what is tested
// oxlint-disable-next-line typescript/no-explicit-any
export type AnyJson = any;

export function jsonOf({ stdout }: CommandResult): AnyJson {
  return JSON.parse(stdout);
}

export function linesOf({ stdout }: CommandResult): AnyJson[] {
  return stdout
    .split('\n')
    .filter((line) => line !== '')
    .map((line) => JSON.parse(line) as AnyJson);
}

export function temporaryDirectory(): Promise<string> {
  return mkdtemp(join(tmpdir(), 'kafka-backup-cli-'));
}

export function removeDirectory(directory: string): Promise<void> {
  return rm(directory, { recursive: true, force: true });
}
