// Asks the control port of a running agent. What listens there may be anything: answers are limited in time and size, and
// whatever is not an answer of an agent counts as no agent.

import { type IncomingMessage, request as openRequest } from 'node:http';
import { isIPv6 } from 'node:net';
import { BackupError, messageOf } from '../model/errors.ts';
import { readTokenText } from './token-file.ts';

const TIMEOUT_MS = 10_000;
/** Some hundred thousand partitions. */
const MAX_ANSWER_BYTES = 64 * 1024 * 1024;
/** An agent that listens on all addresses is asked on the loopback. */
const LOOPBACK_OF: Readonly<Record<string, string>> = { '0.0.0.0': '127.0.0.1', '::': '::1' };

export interface ControlClientOptions {
  readonly listen: { readonly host: string; readonly port: number };
  /** File with the token to present; null presents none. */
  readonly tokenFile: string | null;
}

export class ControlClient {
  readonly url: string;
  readonly #tokenFile: string | null;

  constructor({ listen, tokenFile }: ControlClientOptions) {
    const host = LOOPBACK_OF[listen.host] ?? listen.host;
    this.url = `http://${isIPv6(host) ? `[${host}]` : host}:${listen.port}`;
    this.#tokenFile = tokenFile;
  }

  /** The document at `path`. @throws AGENT_UNREACHABLE, BACKUP_NOT_FOUND, UNAUTHORIZED, CONFIG_INVALID for the token file. */
  async get(path: string): Promise<unknown> {
    const token = this.#tokenFile === null ? undefined : await readTokenText(this.#tokenFile);
    const { status, text } = await this.#exchange(path, token);
    if (status === 200) return parse(text, this.url);
    if (status === 401 || status === 403) {
      throw new BackupError('UNAUTHORIZED', `${this.url} refuses GET ${path}: ${refusalIn(text)}`);
    }
    if (status === 404 && text.includes('BACKUP_NOT_FOUND')) {
      throw new BackupError('BACKUP_NOT_FOUND', `the agent at ${this.url} makes another backup: ${refusalIn(text)}`);
    }
    throw new BackupError(
      'AGENT_UNREACHABLE',
      `${this.url} answers GET ${path} with status ${status}, not as an agent does`,
    );
  }

  async #exchange(
    path: string,
    token: string | undefined,
  ): Promise<{ readonly status: number; readonly text: string }> {
    const headers = token === undefined ? {} : { authorization: `Bearer ${token}` };
    try {
      const signal = AbortSignal.timeout(TIMEOUT_MS);
      const response = await new Promise<IncomingMessage>((resolve, reject) => {
        openRequest(`${this.url}${path}`, { headers, agent: false, signal }, resolve).on('error', reject).end();
      });
      return { status: response.statusCode ?? 0, text: await readAll(response) };
    } catch (cause) {
      throw new BackupError('AGENT_UNREACHABLE', `no agent answers at ${this.url}: ${reasonOf(cause)}`, { cause });
    }
  }
}

async function readAll(response: IncomingMessage): Promise<string> {
  const chunks: Buffer[] = [];
  let sizeBytes = 0;
  for await (const chunk of response as AsyncIterable<Buffer>) {
    sizeBytes += chunk.byteLength;
    if (sizeBytes > MAX_ANSWER_BYTES) throw new Error('the answer is too large');
    chunks.push(chunk);
  }
  return Buffer.concat(chunks).toString('utf8');
}

function reasonOf(cause: unknown): string {
  if (cause instanceof Error && cause.name === 'TimeoutError') return `nothing came within ${TIMEOUT_MS / 1000} s`;
  return cause instanceof Error && 'code' in cause ? String(cause.code) : messageOf(cause);
}

function parse(text: string, url: string): unknown {
  try {
    return JSON.parse(text);
  } catch (cause) {
    throw new BackupError('AGENT_UNREACHABLE', `what ${url} answers is not JSON`, { cause });
  }
}

/** The message of the one error shape, or nothing of an answer that has another. */
function refusalIn(text: string): string {
  try {
    const body: unknown = JSON.parse(text);
    if (typeof body === 'object' && body !== null && 'message' in body) return String(body.message);
  } catch {
    // Not an agent's refusal; its status says enough.
  }
  return 'no reason given';
}
