// A Kafka request as data: which API and version, how to write its body and how to read its answer. Only flexible versions
// are used, so each body and each answer carries tagged fields.

import type { WireReader } from './wire-reader.ts';
import type { WireWriter } from './wire-writer.ts';

export interface ApiCall<Response> {
  readonly apiKey: number;
  readonly apiName: string;
  readonly apiVersion: number;
  /** What the operator can do where it is not answered in time, but for what helps against any broker that is not reached. */
  readonly remedyWhenLate?: string;
  /** Writes the body after the request header. */
  write(writer: WireWriter): void;
  /** Reads the answer after the response header. Byte fields are views into it. */
  read(reader: WireReader): Response;
}
