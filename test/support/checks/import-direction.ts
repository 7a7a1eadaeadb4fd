// Judges the imports of src by the rules in .dependency-cruiser.js, and whether every file was seen: with a TypeScript it
// cannot use, dependency-cruiser sees no modules, finds nothing wrong with them and exits with 0.
import { readdirSync } from 'node:fs';
import { join } from 'node:path';
import { projectRoot } from '../cache.ts';
import { runTool } from './run-tool.ts';

interface Cruise {
  readonly modules: readonly { readonly source: string }[];
  readonly summary: { readonly violations: readonly Violation[] };
}

interface Violation {
  readonly rule: { readonly name: string };
  readonly from: string;
  readonly to: string;
  readonly cycle?: readonly { readonly name: string }[];
}

/** Returns one line per import that breaks a rule and per file that was not seen. `root` holds src and its tsconfig.json. */
export async function misdirectedImports(root: string = projectRoot): Promise<string[]> {
  const config = join(projectRoot, '.dependency-cruiser.js');
  const { stdout, output } = await runTool('depcruise', ['--config', config, '--output-type', 'json', 'src'], root);
  if (!stdout.startsWith('{')) return [`dependency-cruiser: ${output}`];
  const { modules, summary } = JSON.parse(stdout) as Cruise;
  const seen = new Set(modules.map(({ source }) => source));
  const unseen = sourceFiles(root).filter((file) => !seen.has(file));
  return [
    ...summary.violations.map(describeViolation),
    ...unseen.map((file) => `${file} was not looked at by dependency-cruiser`),
  ];
}

/** Every TypeScript file below src, as `src/folder/file.ts`. */
function sourceFiles(root: string): string[] {
  return readdirSync(join(root, 'src'), { recursive: true, encoding: 'utf8' })
    .filter((name) => name.endsWith('.ts'))
    .map((name) => `src/${name}`)
    .sort();
}

function describeViolation({ rule, from, to, cycle }: Violation): string {
  const way = cycle === undefined ? [to] : cycle.map(({ name }) => name);
  return `${rule.name}: ${[from, ...way].filter((step, index) => index === 0 || step !== from).join(' -> ')}`;
}
