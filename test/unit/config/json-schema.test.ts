// The schema as editors judge by it, judged by Ajv, which comes with Fastify: what the agent takes, no editor may mark as wrong.
import assert from 'node:assert/strict';
import { readdirSync, readFileSync } from 'node:fs';
import { after, before, describe, it } from 'node:test';
import Fastify, { type FastifyInstance } from 'fastify';
import { parse } from 'yaml';

const CONFIG = new URL('../../../config/', import.meta.url);
const PEERS = new URL('./', import.meta.url);

describe('config/schema.json', () => {
  let server: FastifyInstance;

  before(async () => {
    const schema = JSON.parse(readFileSync(new URL('schema.json', CONFIG), 'utf8')) as object;
    const customOptions = {
      removeAdditional: false,
      coerceTypes: false,
      useDefaults: false,
      allowUnionTypes: true,
    } as const;
    server = Fastify({ ajv: { customOptions } });
    server.post('/', { schema: { body: schema } }, async () => 'valid');
    await server.ready();
  });

  after(() => server.close());

  /** `valid`, or what the schema says against a document. */
  async function judged(document: unknown): Promise<string> {
    const { statusCode, payload } = await server.inject({ method: 'POST', url: '/', payload: document as object });
    return statusCode === 200 ? payload : (JSON.parse(payload) as { message: string }).message;
  }

  function example(name: string, directory = CONFIG): Record<string, Record<string, unknown>> {
    return parse(readFileSync(new URL(name, directory), 'utf8')) as Record<string, Record<string, unknown>>;
  }

  const examples = readdirSync(CONFIG).filter((name) => name.endsWith('.yaml'));
  assert.ok(examples.length >= 3);
  for (const name of examples) {
    it(`accepts the example ${name}`, async () => {
      assert.equal(await judged(example(name)), 'valid');
    });
  }

  it('accepts the files of the peer with their keys without values, but for a key that does nothing', async () => {
    const { logging, ...backup } = example('peer-backup.yaml', PEERS);
    assert.match(await judged({ ...backup, logging }), /^body\/logging must NOT have additional properties$/);
    const { file: _, ...known } = logging!;
    assert.equal(await judged({ ...backup, logging: known }), 'valid');
    assert.equal(await judged(example('peer-restore.yaml', PEERS)), 'valid');
  });

  it('refuses unknown keys, values of another kind, and what lacks a required key', async () => {
    const { mode: _, ...modeless } = example('balanced.yaml');
    assert.match(await judged(modeless), /must have required property 'mode'/);
    const balanced = example('balanced.yaml');
    for (const [wrong, says] of [
      [{ ...balanced, bakcup: {} }, /must NOT have additional properties/],
      [
        { ...balanced, backup: { ...balanced['backup'], continous: true } },
        /backup must NOT have additional properties/,
      ],
      [
        { ...balanced, backup: { ...balanced['backup'], segment_max_bytes: '12 parsecs' } },
        /backup\/segment_max_bytes/,
      ],
      [{ ...balanced, backup: { ...balanced['backup'], compression: 'zip' } }, /backup\/compression/],
      [{ ...balanced, backup: { ...balanced['backup'], compression_level: 'high' } }, /backup\/compression_level/],
    ] as const) {
      assert.match(await judged(wrong), says);
    }
  });
});
