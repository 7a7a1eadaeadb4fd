import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import fc from 'fast-check';
import { WireReader } from '../../../../src/kafka/protocol/wire-reader.ts';
import { WireWriter } from '../../../../src/kafka/protocol/wire-writer.ts';

const SEED = { seed: 20_261_120 };
const NOT_KAFKA = { name: 'BackupError', code: 'KAFKA_NOT_KAFKA' };

/** One field: how it is written, and how it is read back and compared. */
interface Field {
  readonly write: (writer: WireWriter) => void;
  readonly read: (reader: WireReader) => unknown;
  readonly value: unknown;
}

const int64 = fc.bigInt({ min: -(2n ** 63n), max: 2n ** 63n - 1n });
const uuid = fc.uint8Array({ minLength: 16, maxLength: 16 }).map((bytes) => Buffer.from(bytes).toString('base64url'));

function field<T>(
  arbitrary: fc.Arbitrary<T>,
  write: (writer: WireWriter, value: T) => void,
  read: (reader: WireReader) => unknown,
): fc.Arbitrary<Field> {
  return arbitrary.map((value) => ({ value, read, write: (writer) => write(writer, value) }));
}

const anyField: fc.Arbitrary<Field> = fc.oneof(
  field(
    fc.integer({ min: -128, max: 127 }),
    (w, v) => w.int8(v),
    (r) => r.int8(),
  ),
  field(
    fc.integer({ min: -32_768, max: 32_767 }),
    (w, v) => w.int16(v),
    (r) => r.int16(),
  ),
  field(
    fc.integer(),
    (w, v) => w.int32(v),
    (r) => r.int32(),
  ),
  field(
    int64,
    (w, v) => w.int64(v),
    (r) => r.int64(),
  ),
  field(
    fc.boolean(),
    (w, v) => w.boolean(v),
    (r) => r.boolean(),
  ),
  field(
    fc.nat(2 ** 31 - 1),
    (w, v) => w.unsignedVarint(v),
    (r) => r.unsignedVarint(),
  ),
  field(
    uuid,
    (w, v) => w.uuid(v),
    (r) => r.uuid(),
  ),
  field(
    fc.string({ unit: 'grapheme', maxLength: 400 }),
    (w, v) => w.compactString(v),
    (r) => r.compactString(),
  ),
  field(
    fc.option(fc.string()),
    (w, v) => w.compactNullableString(v),
    (r) => r.compactNullableString(),
  ),
  field(
    fc.uint8Array({ maxLength: 900 }),
    (w, v) => w.compactBytesByReference(v),
    (r) => Uint8Array.from(r.compactBytes()),
  ),
  field(
    fc.array(fc.integer()),
    (w, v) => w.compactArray(v, (one, i) => one.int32(i)),
    (r) => r.compactArray((one) => one.int32()),
  ),
  field(
    fc.constant([]),
    (w) => w.compactArray(null, () => {}),
    (r) => r.compactArray((one) => one.int8()),
  ),
  field(
    fc.constant(undefined),
    (w) => w.noTaggedFields(),
    (r) => r.taggedFields(),
  ),
);

function bytesOf(writer: WireWriter): Buffer {
  const bytes = Buffer.concat(writer.chunks());
  assert.equal(writer.sizeBytes, bytes.byteLength);
  return bytes;
}

describe('the wire format', () => {
  test('reads every field as it was written, in any order', () => {
    fc.assert(
      fc.property(fc.array(anyField, { maxLength: 30 }), (fields) => {
        const writer = new WireWriter();
        for (const { write } of fields) write(writer);
        const reader = new WireReader(bytesOf(writer));
        for (const { read, value } of fields) assert.deepEqual(read(reader), value);
        assert.throws(() => reader.int8(), NOT_KAFKA);
      }),
      { ...SEED, numRuns: 1000 },
    );
  });

  test('is what Kafka\u2019s protocol guide says', () => {
    const writer = new WireWriter()
      .int16(-2)
      .int32(1)
      .unsignedVarint(300)
      .compactString('ab')
      .compactNullableString(null);
    writer.nullableString('x').nullableString(null).boolean(true).uuid('AAAAAAAAAAAAAAAAAAAAAQ').noTaggedFields();
    const wanted = 'fffe00000001ac02036162000001' + '78ffff01' + '00'.repeat(15) + '01' + '00';
    assert.equal(bytesOf(writer).toString('hex'), wanted);
  });

  test('keeps large bytes by reference, in their place, across many small fields', () => {
    const batch = Buffer.alloc(5000, 7);
    const writer = new WireWriter();
    for (let index = 0; index < 300; index += 1) writer.int32(index);
    writer.compactBytesByReference(batch).int8(1).compactBytesByReference(batch);
    const chunks = writer.chunks();
    assert.equal(chunks.filter((chunk) => chunk === batch).length, 2);
    const reader = new WireReader(bytesOf(writer));
    for (let index = 0; index < 300; index += 1) assert.equal(reader.int32(), index);
    assert.ok(batch.equals(reader.compactBytes()));
    assert.equal(reader.int8(), 1);
  });

  test('gives bytes as views, not copies', () => {
    const response = bytesOf(new WireWriter().compactBytesByReference(Buffer.from('abc')));
    const view = new WireReader(response).compactBytes();
    response.write('x', 1);
    assert.equal(Buffer.from(view).toString(), 'xbc');
  });
});

describe('a response', () => {
  test('cut anywhere is refused by whichever field it ends in', () => {
    fc.assert(
      fc.property(fc.array(anyField, { minLength: 1, maxLength: 8 }), fc.nat(), (fields, cut) => {
        const writer = new WireWriter();
        for (const { write } of fields) write(writer);
        const whole = bytesOf(writer);
        const reader = new WireReader(whole.subarray(0, cut % whole.byteLength));
        assert.throws(() => {
          for (const { read } of fields) read(reader);
        }, NOT_KAFKA);
      }),
      { ...SEED, numRuns: 500 },
    );
  });

  const hostile: Readonly<Record<string, [string, (reader: WireReader) => unknown]>> = {
    'a string past its end': ['ff01', (reader) => reader.compactString()],
    'a string of 2^35 bytes': ['ffffffff7f', (reader) => reader.compactString()],
    'bytes past its end': ['0561', (reader) => reader.compactBytes()],
    'an array of 2^35 elements': ['ffffffff7f', (reader) => reader.compactArray((one) => one.int8())],
    '2^35 tagged fields': ['ffffffff7f', (reader) => reader.taggedFields()],
    'a tagged field past its end': ['010005', (reader) => reader.taggedFields()],
    'a length of six bytes': ['808080808001', (reader) => reader.unsignedVarint()],
    'a length without end': ['ffffffffffffffffffff', (reader) => reader.compactString()],
    'half a UUID': ['0011223344', (reader) => reader.uuid()],
  };
  for (const [what, [hex, read]] of Object.entries(hostile)) {
    test(`with ${what} is refused`, () => {
      assert.throws(() => read(new WireReader(Buffer.from(hex, 'hex'))), NOT_KAFKA);
    });
  }

  test('of bytes at random ends in values or KAFKA_NOT_KAFKA, and soon', () => {
    fc.assert(
      fc.property(fc.uint8Array({ maxLength: 200 }), fc.array(anyField, { maxLength: 10 }), (bytes, fields) => {
        const reader = new WireReader(bytes);
        try {
          for (const { read } of fields) read(reader);
        } catch (error) {
          assert.equal((error as { code?: string }).code, 'KAFKA_NOT_KAFKA');
        }
      }),
      { ...SEED, numRuns: 3000 },
    );
  });

  test('with tagged fields hands each to who wants it, and stands behind them all', () => {
    const tagged = Buffer.from('03' + '00' + '04' + '0000002a' + '05' + '00' + '8101' + '02' + 'beef' + '77', 'hex');
    const reader = new WireReader(tagged);
    const seen: [number, number][] = [];
    reader.taggedFields((tag, field) => {
      if (tag === 0) seen.push([tag, field.int32()]);
      // Reading past a field does not reach the next one.
      if (tag === 5) assert.throws(() => field.int8(), NOT_KAFKA);
      if (tag === 129) seen.push([tag, field.int16()]);
    });
    assert.deepEqual(seen, [
      [0, 42],
      [129, -16_657],
    ]);
    assert.equal(reader.int8(), 0x77);
  });
});
