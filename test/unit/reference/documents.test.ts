import assert from 'node:assert/strict';
import { readFileSync } from 'node:fs';
import { describe, it } from 'node:test';
import { leavesOf, SCHEMA } from '../../../src/config/schema/schema.ts';
import { ERROR_KINDS } from '../../../src/model/errors.ts';
import { DOCUMENTS } from '../../../src/reference/documents.ts';

const ROOT = new URL('../../../', import.meta.url);

function rendered(path: string): string {
  return DOCUMENTS.find((document) => document.path === path)?.render() ?? '';
}

describe('generated documents', () => {
  for (const { path, render } of DOCUMENTS) {
    it(`${path} is fresh`, () => {
      assert.equal(readFileSync(new URL(path, ROOT), 'utf8'), render(), 'run npm run docs');
    });
  }

  it('the reference names every environment variable', () => {
    const reference = rendered('config/REFERENCE.md');
    for (const [path, leaf] of leavesOf(SCHEMA)) {
      if (leaf.env === undefined || path.startsWith('target.')) continue;
      assert.ok(reference.includes(`\`${leaf.env}\``), `${path} is missing`);
    }
  });

  it('the page of errors names every code twice: with its exit code, and with its hint', () => {
    const page = rendered('deploy/ERRORS.md');
    for (const [code, { exitCode, hint }] of Object.entries(ERROR_KINDS)) {
      assert.match(page, new RegExp(`^\\| ${exitCode} \\| .*\`${code}\``, 'm'));
      assert.ok(page.includes(`| \`${code}\` |`) && page.includes(hint), code);
    }
  });

  it('the JSON Schema is draft-07 and closed at every level', () => {
    const schema: unknown = JSON.parse(rendered('config/schema.json'));
    const visit = (node: unknown) => {
      if (typeof node !== 'object' || node === null) return;
      if ('properties' in node) assert.equal('additionalProperties' in node && node.additionalProperties, false);
      for (const below of Object.values(node)) visit(below);
    };
    visit(schema);
    assert.ok(typeof schema === 'object' && schema !== null && '$schema' in schema);
    assert.equal(schema.$schema, 'http://json-schema.org/draft-07/schema#');
  });
});
