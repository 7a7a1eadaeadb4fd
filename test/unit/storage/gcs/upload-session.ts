// One resumable upload as Google's documentation describes it (cloud.google.com/storage/docs/performing-resumable-uploads), with
// a network that loses requests and answers, and a store that keeps less of a chunk than it was sent. fake-gcs-server does none
// of this.
import type { GcsRequest, GcsResponse } from '../../../../src/storage/gcs/gcs-client.ts';
import { crc32cText } from '../../../../src/storage/gcs/gcs-download.ts';
import { crc32c } from '../../../../src/record/crc32c.ts';

export const CHUNK_UNIT_BYTES = 256 * 1024;

/** What happens to one request: it passes, it never arrives, its answer is lost, a page answers in its stead, or only so many units are kept. */
export type Mishap =
  | 'none'
  | 'request-lost'
  | 'answer-lost'
  | 'page-instead'
  | 'page-behind'
  | { readonly keptUnits: number };

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
    if (mishap === 'page-instead') return PAGE;
    this.#take(Buffer.concat(body), headers['content-range'] ?? '', mishap);
    if (mishap === 'answer-lost') throw broken();
    if (mishap === 'page-behind') return PAGE;
    if (!this.isComplete) {
      return answer(308, this.content.byteLength === 0 ? {} : { range: `bytes=0-${this.content.byteLength - 1}` });
    }
    const resource = {
      size: String(this.content.byteLength),
      crc32c: crc32cText(crc32c(this.content)),
      generation: '1',
    };
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

/** Of a load balancer that says in the store's stead that all is well. */
const PAGE = answer(200, { 'content-type': 'text/html' }, '<html>We will be back soon.</html>');

function broken(): Error {
  return Object.assign(new Error('the connection broke'), { code: 'ECONNRESET' });
}
