// `npm run docs` writes the generated documents; with --check it only compares, names the stale ones and exits with 1.

import { readFileSync, writeFileSync } from 'node:fs';
import { DOCUMENTS, type GeneratedDocument } from './documents.ts';

const ROOT = new URL('../../', import.meta.url);

function isFresh(document: GeneratedDocument): boolean {
  try {
    return readFileSync(new URL(document.path, ROOT), 'utf8') === document.render();
  } catch {
    return false; // a missing document is a stale one
  }
}

const stale = DOCUMENTS.filter((document) => !isFresh(document));
if (process.argv.includes('--check')) {
  for (const { path } of stale) console.error(`${path} is stale. Run npm run docs.`);
  process.exitCode = stale.length > 0 ? 1 : 0;
} else {
  for (const document of stale) {
    writeFileSync(new URL(document.path, ROOT), document.render());
    console.log(`wrote ${document.path}`);
  }
}
