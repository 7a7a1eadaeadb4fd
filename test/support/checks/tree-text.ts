// What no file of the tree may hold: the address of a package registry (whoever installs has their own), a path of the
// machine that a file was written on, and in the lock file the place that a package came from.
import { readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { projectRoot } from '../cache.ts';

// Each pattern is written so that it does not match itself.
const REGISTRIES =
  /\b(npm[j]s\.(org|com)|yarnpkg[.]com|maven[.]org|repo\d?\.maven[.]|central\.sonatype[.]|pypi[.](org|io)|pythonhosted[.]org|proxy\.golang[.]org|crates[.]io|rubygems[.]org|deb\.debian[.]org)/i;
const HOME = /(?<![\w.)}-])\/(home|Users|root|work|workspace)\/[\w.-]+/;
const MAX_TEXT_BYTES = 4 * 1024 * 1024;

/** Returns one line per place, as `file:line: what`. */
export function forbiddenText(root: string = projectRoot): string[] {
  return treeFiles(root).flatMap((file) => {
    const bytes = readFileSync(join(root, file));
    if (bytes.byteLength > MAX_TEXT_BYTES || bytes.includes(0)) return [];
    return bytes
      .toString('utf8')
      .split('\n')
      .flatMap((line, index) => faultsOf(file, line, root).map((fault) => `${file}:${index + 1}: ${fault}`));
  });
}

function faultsOf(file: string, line: string, root: string): string[] {
  const faults: string[] = [];
  const registry = REGISTRIES.exec(line)?.[0];
  if (registry !== undefined) faults.push(`names a package registry (${registry})`);
  const path = HOME.exec(line)?.[0] ?? (isTelling(root) && line.includes(`${root}/`) ? root : undefined);
  if (path !== undefined) faults.push(`names a path of one machine (${path})`);
  if (file === 'package-lock.json' && line.includes('"resolved":')) faults.push('names the place of a package');
  return faults;
}

/** A root of one element, such as that of an image, may well be meant. */
function isTelling(root: string): boolean {
  return root.split('/').length > 2;
}

/** Every file below `root` that .gitignore does not name, relative to it. */
function treeFiles(root: string): string[] {
  const ignored = readFileSync(join(root, '.gitignore'), 'utf8')
    .split('\n')
    .map((line) => line.trim());
  const skipped = new Set(['.git', ...ignored.map((line) => line.replace(/\/$/, ''))]);
  const walk = (directory: string): string[] =>
    readdirSync(join(root, directory), { withFileTypes: true }).flatMap((entry) => {
      const path = join(directory, entry.name);
      if (skipped.has(entry.name) || entry.name.endsWith('.tgz')) return [];
      if (entry.isDirectory()) return walk(path);
      return entry.isFile() ? [path] : [];
    });
  return walk('').sort();
}
