// A document of the store written anew by a hand that knows the format: what is changed in it is a lie, and no damage.
import { sealJson } from '../../src/model/json-fields.ts';

export function changeJson(bytes: Uint8Array, change: (fields: Readonly<Record<string, unknown>>) => object): Buffer {
  const { contentSha256: _, ...fields } = JSON.parse(Buffer.from(bytes).toString('utf8')) as Record<string, unknown>;
  return Buffer.from(sealJson(JSON.stringify(change(fields))));
}
