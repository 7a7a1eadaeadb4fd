// What a cloud gives to the programs on its hosts to log in by, for tests: variables of the environment, and a plain HTTP server on
// loopback in the place of what hands out credentials there (IMDS and its likes), which keeps what it was asked.
import { once } from 'node:events';
import { createServer, type Server } from 'node:http';
import type { AddressInfo } from 'node:net';
import { buffer } from 'node:stream/consumers';
import type { Host, HostRequest } from './cloud-hosts.ts';

export class HostService {
  readonly seen: HostRequest[] = [];
  answer: Host = () => ({ status: 404, body: '' });
  readonly #server: Server;

  private constructor(server: Server) {
    this.#server = server;
  }

  static async start(): Promise<HostService> {
    const server = createServer();
    const service = new HostService(server);
    server.on('request', (incoming, outgoing) => {
      const { method = '', url = '', headers } = incoming;
      void buffer(incoming)
        .then(async (body) => {
          const request = { method, url, headers, body };
          service.seen.push(request);
          const answer = await service.answer(request);
          outgoing.writeHead(answer.status, { ...answer.headers }).end(answer.body);
        })
        .catch(() => outgoing.destroy());
    });
    server.listen(0, '127.0.0.1');
    await once(server, 'listening');
    return service;
  }

  /** `127.0.0.1:PORT`. */
  get address(): string {
    return `127.0.0.1:${(this.#server.address() as AddressInfo).port}`;
  }

  stop(): void {
    this.#server.closeAllConnections();
    this.#server.close();
  }
}

/** Undefined takes a variable away. All of them are as they were when this ends. */
export async function withEnvironment<T>(
  variables: Readonly<Record<string, string | undefined>>,
  run: () => Promise<T>,
): Promise<T> {
  const before = Object.keys(variables).map((name): [string, string | undefined] => [name, process.env[name]]);
  const set = (entries: Iterable<readonly [string, string | undefined]>): void => {
    for (const [name, value] of entries) {
      if (value === undefined) delete process.env[name];
      else process.env[name] = value;
    }
  };
  set(Object.entries(variables));
  try {
    return await run();
  } finally {
    set(before);
  }
}
