import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import fc from 'fast-check';
import { PeerRecordCursor } from '../../../../src/import/peer/peer-record.ts';
import {
  addedHeaders,
  encodePeerRecord,
  i64,
  type PeerHeader,
  type PeerRecord,
  peerRecord,
} from '../../../support/peer-backup.ts';
import { encodePayload } from '../../../support/record-batches.ts';

const SEED = { seed: 20_261_123 };

function cursorOn(record: PeerRecord): PeerRecordCursor {
  const cursor = new PeerRecordCursor(encodePeerRecord(record));
  assert.ok(cursor.next());
  return cursor;
}

function payloadOf(cursor: PeerRecordCursor, keepsAddedHeaders: boolean): Buffer {
  const bytes = Buffer.alloc(cursor.payloadSize(keepsAddedHeaders) + 9, 0xaa);
  cursor.encode(bytes, keepsAddedHeaders);
  assert.ok(
    bytes.subarray(-9).every((byte) => byte === 0xaa),
    'nothing is written behind the payload',
  );
  return bytes.subarray(0, -9);
}

/** As Kafka holds it. */
function kafkaPayload({ key, value, headers }: PeerRecord): Buffer {
  return encodePayload({
    key,
    value,
    headers: headers.map((one) => ({ key: Buffer.from(one.key), value: one.value })),
  });
}

const anyBytes = fc.option(fc.uint8Array({ maxLength: 200 }));
const anyHeader: fc.Arbitrary<PeerHeader> = fc.record({
  key: fc.string({ unit: 'grapheme', maxLength: 20 }),
  value: anyBytes,
});
const anyRecord: fc.Arbitrary<PeerRecord> = fc.record({
  offset: fc.bigInt({ min: 0n, max: 2n ** 62n }),
  timestamp: fc.bigInt({ min: -(2n ** 63n), max: 2n ** 63n - 1n }),
  key: anyBytes,
  value: anyBytes,
  headers: fc.array(anyHeader, { maxLength: 4 }),
});

describe('a record of the peer', () => {
  test('becomes the Kafka record that its producer sent, or with the headers that the peer added', () => {
    fc.assert(
      fc.property(anyRecord, fc.constantFrom(undefined, '', 'cluster-1'), (record, cluster) => {
        const stored = { ...record, headers: [...record.headers, ...addedHeaders(record, cluster)] };
        const cursor = cursorOn(stored);
        assert.deepEqual([cursor.offset, cursor.timestamp], [record.offset, record.timestamp]);
        assert.deepEqual(payloadOf(cursor, false), kafkaPayload(record));
        assert.deepEqual(payloadOf(cursor, true), kafkaPayload(stored));
      }),
      SEED,
    );
  });

  test('keeps headers of those names that came with it', () => {
    const record = peerRecord(50n);
    const [offset, timestamp] = addedHeaders(record) as [PeerHeader, PeerHeader];
    const kept: readonly (readonly PeerHeader[])[] = [
      addedHeaders(peerRecord(7n)),
      [offset],
      [timestamp, offset],
      [offset, timestamp, { key: 'later', value: null }],
      [offset, { key: 'x-original-timestamp', value: Buffer.from('1700000000050') }],
      [{ key: 'x-original-offset', value: i64(50n).subarray(0, 7) }, timestamp],
      [{ key: 'x-source-cluster', value: Buffer.from('mine') }],
    ];
    for (const headers of kept) {
      const cursor = cursorOn({ ...record, headers });
      assert.equal(cursor.addedHeaders, 0, headers.map(({ key }) => key).join());
      assert.deepEqual(payloadOf(cursor, false), kafkaPayload({ ...record, headers }));
    }
    const second = { ...record, headers: [...addedHeaders(peerRecord(7n)), offset, timestamp] };
    assert.deepEqual(
      payloadOf(cursorOn(second), false),
      kafkaPayload({ ...record, headers: addedHeaders(peerRecord(7n)) }),
    );
  });

  test('that looks like the end of a transaction is told', () => {
    const end = peerRecord(3n, { key: Buffer.from([0, 0, 0, 1]), value: Buffer.from([0, 0, 0, 0, 0, 5]) });
    assert.ok(cursorOn(end).isMarker);
    assert.ok(cursorOn({ ...end, key: Buffer.alloc(4), headers: addedHeaders(end) }).isMarker);
    assert.ok(!cursorOn({ ...end, key: Buffer.from([0, 0, 0, 2]) }).isMarker);
    assert.ok(!cursorOn({ ...end, key: Buffer.from([0, 1, 0, 1]) }).isMarker);
    assert.ok(!cursorOn({ ...end, value: Buffer.alloc(7) }).isMarker);
    assert.ok(!cursorOn({ ...end, value: Buffer.from([1, 0, 0, 0, 0, 0]) }).isMarker);
    assert.ok(!cursorOn({ ...end, headers: [{ key: 'h', value: null }] }).isMarker);
    assert.ok(!cursorOn(peerRecord(3n, { key: null, value: null })).isMarker);
  });

  test('whose lengths do not fill it is refused', () => {
    const bytes = encodePeerRecord(peerRecord(3n, { headers: [{ key: 'h', value: Buffer.from('v') }] }));
    const at = { key: 20, value: 29, headers: bytes.byteLength - 10 };
    const edits: readonly ((edited: Buffer) => void)[] = [
      (edited) => edited.writeInt32LE(1000, at.key),
      (edited) => edited.writeInt32LE(-2, at.key),
      (edited) => edited.writeInt32LE(-1, at.key),
      (edited) => edited.writeInt32LE(0x7fff_ffff, at.value),
      (edited) => edited.writeUInt16LE(2, at.headers),
      (edited) => edited.writeUInt16LE(0, at.headers),
    ];
    assert.equal(bytes.readUInt16LE(at.headers), 1);
    for (const edit of edits) {
      const edited = Buffer.from(bytes);
      edit(edited);
      assert.throws(() => new PeerRecordCursor(edited).next(), { code: 'SOURCE_DAMAGED' }, edit.toString());
    }
  });
});
