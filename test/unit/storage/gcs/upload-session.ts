// One resumable upload as Google's documentation describes it (cloud.google.com/storage/docs/performing-resumable-uploads), with
// a network that loses requests and answers, and a store that keeps less of a chunk than it was sent. fake-gcs-server does none
// of this.
import type { GcsRequest, GcsResponse } from '../../../../src/storage/gcs/gcs-client.ts';
import { crc32cText } from '../../../../src/storage/gcs/gcs-download.ts';
import { crc32c } from '../../../../src/record/crc32c.ts';

export const CHUNK_UNIT_BYTES = 256 * 1024;

/** What happens to one request: it passes, it never arrives, its answer is lost, or only so many units of it are kept. */
export type Mishap = 'none' | 'request-lost' | 'answer-lost' | { readonly keptUnits: number };

export class UploadSession {
  content = Buffer.alloc(0);
  isComplete = false;
  isCancelled = false;
  /** Taken one by one by the requests with a chunk or a question; when there are none left, all goes well. */
  mishaps: Mishap[] = [];
  requests = 0;

  readonly send = async ({ method, body = [], headers = {} }: GcsRequest): Promise<GcsResponse> => {
    if (method === 'POST') return answer(200, { location: 'http://store/session' });
    if (method === 'DELETE') {
      this.isCancelled = true;
      return answer(499, {});
    }
    this.requests += 1;
    const mishap = this.mishaps.shift() ?? 'none';
    if (mishap === 'request-lost') throw broken();
    this.#take(Buffer.concat(body), headers['content-range'] ?? '', mishap);
    if (mishap === 'answer-lost') throw broken();
    if (!this.isComplete) {
      return answer(308, this.content.byteLength === 0 ? {} : { range: `bytes=0-${this.content.byteLength - 1}` });
    }
    const resource = { size: String(this.content.byteLength), crc32c: crc32cText(crc32c(this.content)) };
    return answer(200, {}, resource);
  };

  #take(body: Buffer, contentRange: string, mishap: Mishap): void {
    const [, from = '', , last = '', total = ''] = /^bytes (\d+|\*)(-(\d+))?\/(\d+|\*)$/.exec(contentRange) ?? [];
    if (this.isComplete) return;
    const stored = this.content.byteLength;
    if (from !== '*') {
      if (Number(from) > stored) throw new Error(`a chunk from ${from} on, where there are ${stored} bytes`);
      if (Number(last) - Number(from) + 1 !== body.byteLength)
        throw new Error(`${contentRange} of ${body.byteLength} bytes`);
      const fresh = body.subarray(stored - Number(from));
      const units = Math.floor(fresh.byteLength / CHUNK_UNIT_BYTES);
      const isAll = total !== '*' && typeof mishap === 'string';
      const kept = typeof mishap === 'string' ? units : Math.min(units, mishap.keptUnits);
      this.content = Buffer.concat([this.content, isAll ? fresh : fresh.subarray(0, kept * CHUNK_UNIT_BYTES)]);
    }
    if (total !== '*' && this.content.byteLength === Number(total)) this.isComplete = true;
  }
}

function answer(status: number, headers: Record<string, string>, data: unknown = ''): GcsResponse {
  return { status, headers: new Headers(headers), data };
}

function broken(): Error {
  return Object.assign(new Error('the connection broke'), { code: 'ECONNRESET' });
}
