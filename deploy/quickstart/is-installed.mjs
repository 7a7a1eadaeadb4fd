// Exits with 0 when node_modules holds what package-lock.json names. Plain JavaScript: it runs before the project's own Node is there.
import { existsSync, readFileSync } from 'node:fs';

const packagesIn = (path) => JSON.parse(readFileSync(path, 'utf8')).packages;

/** npm keeps what it has installed in a lock file of its own; packages for other platforms are absent there. */
function isCurrent() {
  if (!existsSync('node_modules/.package-lock.json') || !existsSync('node_modules/node/bin/node')) return false;
  const installed = packagesIn('node_modules/.package-lock.json');
  return Object.entries(packagesIn('package-lock.json')).every(([path, { version, optional }]) => {
    if (path === '') return true;
    return installed[path] === undefined ? optional === true : installed[path].version === version;
  });
}

process.exitCode = isCurrent() ? 0 : 1;
