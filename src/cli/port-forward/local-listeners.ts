import net from 'node:net';
import { NodeletError } from '../../base/errors.js';

/** An address of this machine's, as it was asked for. */
export interface LocalAddress {
  asked: string;
  /** One of them is enough. */
  hosts: readonly string[];
}

/** The addresses of `--address`: IP addresses and `localhost`, which is both 127.0.0.1 and ::1. */
export function localAddresses(text: string): LocalAddress[] {
  return text.split(',').map((asked) => {
    if (asked === 'localhost') return { asked, hosts: ['127.0.0.1', '::1'] };
    if (net.isIP(asked) !== 0) return { asked, hosts: [asked] };
    throw new NodeletError('invalid', `"${asked}" is neither localhost nor an IP address`, {
      field: '--address',
    });
  });
}

export interface Listening {
  servers: net.Server[];
  /** Which port it is where any free one was asked for. */
  port: number;
}

/**
 * Listens on one port of all addresses, on the same one where a free one is asked for. `unavailable` where an address can't be
 * listened on at all; what fails of `localhost` beside one that works is told to `warn`, if the port is another's there.
 */
export async function listenOnAll(
  addresses: readonly LocalAddress[],
  wantedPort: number,
  { connected, warn }: { connected: (socket: net.Socket) => void; warn: (text: string) => void },
): Promise<Listening> {
  const servers: net.Server[] = [];
  let port = wantedPort;
  try {
    for (const { asked, hosts } of addresses) {
      const failures: NodeJS.ErrnoException[] = [];
      for (const host of hosts) {
        const server = net.createServer({ allowHalfOpen: true, pauseOnConnect: true }, connected);
        try {
          await listen(server, host, port);
        } catch (thrown) {
          failures.push(thrown as NodeJS.ErrnoException);
          continue;
        }
        // One that can't be taken, for want of descriptors, leaves the others alone.
        server.on('error', ({ message }) => warn(`${message}\n`));
        servers.push(server);
        port = (server.address() as net.AddressInfo).port;
      }
      if (failures.length === hosts.length)
        throw new NodeletError(
          'unavailable',
          `cannot listen on ${asked}: ${failures.map(({ message }) => message).join('; ')}`,
          {
            field: String(port),
            remedy: 'choose another local port, or leave it out before the colon for one that is free',
            cause: failures[0],
          },
        );
      for (const { code, message } of failures)
        if (code === 'EADDRINUSE') warn(`not on all of ${asked}: ${message}\n`);
    }
  } catch (thrown) {
    for (const server of servers) server.close();
    throw thrown;
  }
  return { servers, port };
}

function listen(server: net.Server, host: string, port: number): Promise<void> {
  return new Promise((resolve, reject) => {
    server.once('error', reject);
    server.listen({ host, port, ipv6Only: true }, () => {
      server.off('error', reject);
      resolve();
    });
  });
}
