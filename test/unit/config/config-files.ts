// Configuration files for tests: written to a directory of their own, loaded with an empty environment.

import assert from 'node:assert/strict';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, it } from 'node:test';
import type { AgentConfig } from '../../../src/config/agent-config.ts';
import {
  type InvalidConfig,
  type LoadedConfig,
  loadConfig,
  type LoadOptions,
} from '../../../src/config/load-config.ts';
import { type ConfigProblem, originText, renderProblems } from '../../../src/config/problems.ts';

const directory = mkdtempSync(join(tmpdir(), 'config-test-'));
after(() => rmSync(directory, { recursive: true, force: true }));
let written = 0;

/** Seven lines that are enough for a backup; what a test adds begins in line 8. */
export const ENOUGH = `mode: backup
backup_id: orders
source:
  bootstrap_servers: ["localhost:9092"]
storage:
  backend: filesystem
  path: /data
`;

/** Writes a file that only the owner can read and returns its path. */
export function configFile(text: string | Buffer, mode = 0o600): string {
  const file = join(directory, `${written++}.yaml`);
  writeFileSync(file, text, { mode });
  return file;
}

export function load(text: string | Buffer, options: Omit<LoadOptions, 'file'> = {}): LoadedConfig | InvalidConfig {
  return loadConfig({ file: configFile(text), env: {}, ...options });
}

export function loaded(text: string, options: Omit<LoadOptions, 'file'> = {}): LoadedConfig {
  const result = load(text, options);
  assert.equal(result.kind, 'ok', result.kind === 'invalid' ? renderProblems(result.problems) : '');
  return result as LoadedConfig;
}

export function configOf(text: string, options: Omit<LoadOptions, 'file'> = {}): AgentConfig {
  return loaded(text, options).config;
}

export function problemsOf(text: string | Buffer, options: Omit<LoadOptions, 'file'> = {}): readonly ConfigProblem[] {
  const result = load(text, options);
  assert.equal(result.kind, 'invalid', 'the configuration was accepted');
  return (result as InvalidConfig).problems;
}

/** `line:column` for the file, else the origin as printed. */
export function placeOf(problem: ConfigProblem): string {
  const { origin } = problem;
  return origin.kind === 'file' ? `${origin.line}:${origin.column}` : originText(origin);
}

export function textOf(problem: ConfigProblem): string {
  return problem.suggestion === null ? problem.message : `${problem.message} ${problem.suggestion}`;
}

/** Name, lines that follow {@link ENOUGH}, place, key, text: exactly this problem must be reported. */
export type BadCase = readonly [name: string, lines: string, place: string, key: string, says: string];

/** Declares one test per case. */
export function refuses(cases: readonly BadCase[]): void {
  for (const [name, lines, place, key, says] of cases) {
    it(`refuses ${name}`, () => checkOne(ENOUGH + lines, place, key, says));
  }
}

export function checkOne(text: string, place: string, key: string, says: string): void {
  const problems = problemsOf(text);
  const [problem] = problems;
  assert.ok(problem !== undefined && problems.length === 1, renderProblems(problems));
  assert.equal(placeOf(problem), place);
  assert.equal(problem.key, key);
  assert.ok(textOf(problem).includes(says), textOf(problem));
}
