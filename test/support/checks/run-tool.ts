// Runs one of the project's development tools as its command line does, and keeps what it says.
import { spawn } from 'node:child_process';
import { delimiter, join } from 'node:path';
import { text } from 'node:stream/consumers';
import { projectRoot } from '../cache.ts';

const TOOLS = join(projectRoot, 'node_modules', '.bin');

export interface ToolResult {
  readonly exitCode: number | null;
  readonly stdout: string;
  /** Everything said, on stdout first. */
  readonly output: string;
}

/**
 * @param name of a tool in node_modules/.bin, which also comes first on the tool's own PATH
 * @param directory to run in; the project's root unless given
 */
export async function runTool(name: string, args: readonly string[], directory = projectRoot): Promise<ToolResult> {
  const env = { ...process.env, PATH: `${TOOLS}${delimiter}${process.env.PATH ?? ''}`, NO_COLOR: '1' };
  const child = spawn(join(TOOLS, name), args, { cwd: directory, env, stdio: ['ignore', 'pipe', 'pipe'] });
  const exited = new Promise<number | null>((resolve, reject) => {
    child.once('error', reject);
    child.once('close', resolve);
  });
  const [exitCode, stdout, stderr] = await Promise.all([exited, text(child.stdout), text(child.stderr)]);
  return { exitCode, stdout, output: `${stdout}${stderr}`.trim() };
}
