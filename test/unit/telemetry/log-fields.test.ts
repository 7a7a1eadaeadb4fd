import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import { escapeControls, renderFields, renderText } from '../../../src/telemetry/log-fields.ts';

test('values under the names of secrets are hidden at any depth', () => {
  const canary = 'canary-value';
  const names = [
    'password',
    'saslPassword',
    'sasl_password',
    'passphrase',
    'clientSecret',
    'sessionToken',
    'Authorization',
    'cookie',
    'secretAccessKey',
    'account_key',
    'privateKey',
    'keyMaterial',
    'connection_string',
    'sasl.jaas.config',
    'credentials',
  ];
  for (const name of names) {
    const fields = { [name]: canary, deep: [{ [name]: { value: canary } }], map: new Map([[name, canary]]) };
    assert.doesNotMatch(JSON.stringify(renderFields(fields)), /canary/, name);
  }
});

test('names of files, the key of an object and a missing secret are shown', () => {
  const fields = { tokenFile: '/run/token', key: 'backup/data/x', password: null, saslMechanism: 'PLAIN' };
  assert.deepEqual(renderFields({ ...fields }), fields);
});

test('user information and signatures inside URLs are hidden', () => {
  assert.equal(renderText('put s3://id:canary@host/b failed'), 'put s3://[hidden]@host/b failed');
  const signed = renderText(
    'https://x.blob/y?sv=1&sig=canary%2F&se=2 AccountKey=canary;x https://h/?X-Amz-Signature=canary',
  );
  assert.doesNotMatch(signed, /canary/);
  assert.match(signed, /sv=1&sig=\[hidden\]&se=2/);
});

test('bytes are told by their size, never by their content', () => {
  const fields = renderFields({ value: Buffer.from('abc'), view: new Uint16Array(4), raw: new ArrayBuffer(7) });
  assert.deepEqual(fields, { value: '<3 bytes>', view: '<8 bytes>', raw: '<7 bytes>' });
});

test('long texts, wide lists and deep or circular data are cut', () => {
  const circular: Record<string, unknown> = { wide: Array.from({ length: 1000 }, (_, index) => index) };
  circular['self'] = circular;
  const rendered = JSON.stringify(renderFields({ circular, text: 'x'.repeat(100_000) }));
  assert.ok(rendered.length < 20_000);
  assert.match(rendered, /936 more/);
});

test('whatever the fields are, the result is JSON', () => {
  fc.assert(
    fc.property(
      fc.dictionary(fc.string(), fc.anything({ withBigInt: true, withDate: true, withMap: true, withSet: true })),
      (fields) => {
        JSON.parse(JSON.stringify(renderFields(fields)));
      },
    ),
    // A key that has no text.
    { examples: [[{ map: new Map([[[{ toString: '' }], {}]]) }]] },
  );
});

test('an escaped text has nothing left that a terminal obeys, and other texts stay as they are', () => {
  fc.assert(
    fc.property(fc.string({ unit: 'binary' }), (text) => {
      const escaped = escapeControls(text);
      assert.doesNotMatch(escaped, /[\p{Cc}\u2028\u2029\u202a-\u202e\u2066-\u2069]/u);
      if (!/[\p{Cc}\p{Cf}\u2028\u2029]/u.test(text)) assert.equal(escaped, text);
    }),
  );
  assert.equal(escapeControls('Grüße, 世界 👋'), 'Grüße, 世界 👋');
});
