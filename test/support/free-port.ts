// Free loopback ports for servers that tests start, stop and start again on the same port.
// They lie below the range from which the kernel takes ports of outgoing connections (32768 and up on Linux):
// a client that keeps dialling a stopped server inside that range can end up connected to itself and occupy the port.
import { randomInt } from 'node:crypto';
import { createServer } from 'node:net';

const LOWEST = 20_000;
const HIGHEST = 32_000;
const ATTEMPTS = 100;

/** Returns `count` different ports that nobody listened on a moment ago. The caller must bind them soon. */
export async function freePorts(count: number): Promise<number[]> {
  const ports = new Set<number>();
  for (let attempt = 0; ports.size < count && attempt < ATTEMPTS; attempt++) {
    const port = randomInt(LOWEST, HIGHEST);
    if (await canListen(port)) ports.add(port);
  }
  if (ports.size < count) throw new Error(`found no ${count} free ports in ${ATTEMPTS} attempts`);
  return [...ports];
}

/** Returns one port that nobody listened on a moment ago. */
export async function freePort(): Promise<number> {
  const [port] = await freePorts(1);
  if (port === undefined) throw new Error('found no free port');
  return port;
}

function canListen(port: number): Promise<boolean> {
  return new Promise((resolve) => {
    const server = createServer();
    server.once('error', () => resolve(false));
    server.listen(port, '127.0.0.1', () => server.close(() => resolve(true)));
  });
}
