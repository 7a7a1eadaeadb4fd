import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import { PeerRecordCursor } from '../../../../src/import/peer/peer-record.ts';
import { readPeerHeader, readPeerRecords } from '../../../../src/import/peer/peer-segment.ts';
import { MemoryObjectStore } from '../../../../src/storage/memory-object-store.ts';
import {
  encodePeerRecord,
  encodePeerSegment,
  type PeerCodec,
  type PeerRecord,
  peerRecord,
  peerRecords,
  sealPeerSegment,
} from '../../../support/peer-backup.ts';

const KEY = 'theirs/topics/orders/partition=0/segment-00000000000000000000.bin';
const CODECS: readonly PeerCodec[] = ['none', 'zstd', 'lz4'];

/** Offsets and bytes of the records, as they lie in the file. */
async function read(file: Uint8Array): Promise<{ readonly offsets: readonly bigint[]; readonly bytes: Buffer }> {
  const store = new MemoryObjectStore();
  await store.putIfAbsent(KEY, [file]);
  const options = { signal: new AbortController().signal, onRead: () => {} };
  const offsets: bigint[] = [];
  const blocks: Buffer[] = [];
  const records = readPeerRecords(store, await readPeerHeader(store, KEY), options);
  for await (const block of records) {
    blocks.push(Buffer.from(block));
    const cursor = new PeerRecordCursor(block);
    try {
      while (cursor.next()) offsets.push(cursor.offset);
    } catch (error) {
      await records.throw(error);
    }
  }
  return { offsets, bytes: Buffer.concat(blocks) };
}

function assertCorrupt(file: Uint8Array, message: RegExp): Promise<void> {
  return assert.rejects(read(file), (error: Error & { code?: string }) => {
    assert.equal(error.code, 'SOURCE_DAMAGED');
    assert.match(error.message, message);
    assert.ok(error.message.startsWith(`${KEY}, byte `), error.message);
    return true;
  });
}

describe('a file of the peer', () => {
  for (const codec of CODECS) {
    test(`gives its records, with codec ${codec}, small and larger than any piece`, async () => {
      const large = Buffer.from(
        Array.from({ length: 3_000_000 }, (_, index) => Math.imul(index, 2_654_435_761) >>> 24),
      );
      const records: PeerRecord[] = [
        ...peerRecords(5n, 100),
        peerRecord(200n, { value: large }),
        ...peerRecords(300n, 20_000),
        peerRecord(50_000n, { key: null, value: null }),
      ];
      const { offsets, bytes } = await read(encodePeerSegment(records, { codec }));
      assert.deepEqual(
        offsets,
        records.map(({ offset }) => offset),
      );
      assert.ok(bytes.equals(Buffer.concat(records.map(encodePeerRecord))));
    });

    test(`is refused with any byte of it changed (${codec})`, async () => {
      const file = encodePeerSegment(peerRecords(7n, 5), { codec });
      for (let at = 0; at < file.byteLength; at += 1) {
        const changed = Buffer.from(file);
        changed[at] = changed[at]! ^ 0x21;
        await assertCorrupt(changed, /./);
      }
    });

    test(`is refused when it is cut short anywhere (${codec})`, async () => {
      const file = encodePeerSegment(peerRecords(7n, 5), { codec });
      for (let length = 0; length < file.byteLength; length += 1) await assertCorrupt(file.subarray(0, length), /./);
    });

    test(`is refused when its records do not expand, though its checksum fits (${codec})`, async () => {
      const file = encodePeerSegment(peerRecords(7n, 50), { codec });
      const broken = Buffer.from(file.subarray(0, file.byteLength - 8));
      broken.fill(0xff, 40, 60);
      await assertCorrupt(sealPeerSegment(broken), /byte \d+/);
    });
  }

  test('says what is wrong with it, and where', async () => {
    const file = encodePeerSegment(peerRecords(7n, 5));
    const with_ = (at: number, byte: number): Buffer => {
      const changed = Buffer.from(file.subarray(0, -8));
      changed[at] = byte;
      return sealPeerSegment(changed);
    };
    await assertCorrupt(with_(0, 0x5b), /byte 0: the file does not begin with KBAK/);
    await assertCorrupt(with_(4, 2), /byte 4: the file has version 2; only 1 is known/);
    await assertCorrupt(with_(5, 9), /byte 5: the file names codec 9/);
    await assertCorrupt(file.subarray(0, 30), /byte 30: the file ends there: it is cut short/);
    await assertCorrupt(
      file.subarray(0, -1),
      new RegExp(`byte ${file.byteLength - 5}: the file does not end with BKAE`),
    );
    await assertCorrupt(with_(40, file[40]! ^ 1).subarray(0, -1), /BKAE/);
    const crc = Buffer.from(file);
    crc[file.byteLength - 8] = crc[file.byteLength - 8]! ^ 1;
    await assertCorrupt(crc, new RegExp(`byte ${file.byteLength - 8}: the file carries another CRC-32`));
  });

  test('is refused when its head contradicts its records', async () => {
    const records = peerRecords(7n, 5);
    await assertCorrupt(encodePeerSegment(records, { recordCount: 4 }), /byte 8: .* holds 5 records .* says 4/);
    await assertCorrupt(encodePeerSegment(records, { recordCount: 0 }), /byte 8: .* 0 records/);
    await assertCorrupt(encodePeerSegment(records, { recordCount: 6 }), /byte 8: .* 6 records of offsets 7 to 11/);
    await assertCorrupt(
      encodePeerSegment(records, { lastOffset: 12n }),
      /holds 5 records of offsets 7 to 11, its head/,
    );
    await assertCorrupt(
      encodePeerSegment(records, { firstOffset: 6n }),
      /holds 5 records of offsets 7 to 11, its head/,
    );
  });

  test('is refused when a record in it is not what it says', async () => {
    const bytes = Buffer.concat(peerRecords(7n, 3).map(encodePeerRecord));
    const third = 2 * (bytes.byteLength / 3);
    const form = { recordCount: 3, firstOffset: 7n, lastOffset: 9n };
    const edited = (edit: (expanded: Buffer) => void): Buffer => {
      const expanded = Buffer.from(bytes);
      edit(expanded);
      return encodePeerSegment([], { ...form, expanded });
    };
    const place = new RegExp(`byte ${third} of its records, expanded: record 3`);
    await assertCorrupt(
      edited((all) => all.writeUInt32LE(0xffff_ffff, third)),
      new RegExp(`${place.source} has a length`),
    );
    await assertCorrupt(
      edited((all) => all.writeUInt32LE(3, third)),
      new RegExp(`${place.source} has a length of 7 bytes`),
    );
    await assertCorrupt(
      edited((all) => all.writeBigInt64LE(8n, third + 12)),
      new RegExp(`${place.source} has offset 8 behind offset 8`),
    );
    await assertCorrupt(
      encodePeerSegment([], { ...form, expanded: bytes.subarray(0, -1) }),
      new RegExp(`${place.source} is cut short`),
    );
  });
});
