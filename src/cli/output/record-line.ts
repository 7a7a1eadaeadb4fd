// A stored record as one line of JSON: the contract of `cat` (README.md of this folder). Bytes are text where they are UTF-8,
// else base64; null stays null. Control characters are escaped, so that a line can neither end early nor steer a terminal.

import { isUtf8 } from 'node:buffer';
import type { StoredRecord } from '../../inspection/stored-record.ts';
import { toJson } from '../../model/json-fields.ts';
import type { TopicPartition } from '../../model/topic/topic-partition.ts';
import { printable } from './terminal.ts';

type BytesJson = string | { readonly base64: string } | null;

/** With its line break. A timestamp that no number holds exactly is a decimal string. */
export function recordLine({ topic, partition }: TopicPartition, record: StoredRecord): string {
  const { offset, timestamp, timestampType, transaction, isControl } = record;
  const line = toJson({
    topic,
    partition,
    offset,
    timestamp,
    timestamp_type: timestampType,
    key: bytesJson(record.key),
    value: bytesJson(record.value),
    headers: record.headers.map(({ key, value }) => ({ key: bytesJson(key), value: bytesJson(value) })),
    ...(transaction === null ? {} : { transaction }),
    ...(isControl ? { control: controlType(record.key) } : {}),
  });
  // Such characters stand only inside strings, where their escaped form means the same.
  return `${printable(line)}\n`;
}

function bytesJson(bytes: Uint8Array | null): BytesJson {
  if (bytes === null) return null;
  const buffer = Buffer.from(bytes.buffer, bytes.byteOffset, bytes.byteLength);
  return isUtf8(buffer) ? buffer.toString('utf8') : { base64: buffer.toString('base64') };
}

/** From the key of a control record: version i16, type i16 (ControlRecordType). */
function controlType(key: Uint8Array | null): string {
  const type = key !== null && key.byteLength >= 4 ? Buffer.from(key).readInt16BE(2) : -1;
  return type === 0 ? 'abort' : type === 1 ? 'commit' : `type ${type}`;
}
