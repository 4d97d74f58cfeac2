import net from 'node:net';
import type { AddressInfo } from 'node:net';

export interface TcpBridge {
  /** `http://127.0.0.1:PORT`. */
  url: string;
  close(): void;
}

/** Makes the API's Unix socket reachable for clients that know only TCP, as `socat` would: bytes only, ends apart. */
export async function apiOverTcp(socketPath: string): Promise<TcpBridge> {
  const sockets = new Set<net.Socket>();
  const server = net.createServer({ allowHalfOpen: true }, (client) => {
    const api = net.connect({ path: socketPath, allowHalfOpen: true });
    for (const [from, to] of [
      [client, api],
      [api, client],
    ] as const) {
      sockets.add(from);
      from.on('error', () => to.destroy());
      from.once('close', () => {
        sockets.delete(from);
        if (from.readableEnded) to.end();
        else to.destroy();
      });
      from.pipe(to);
    }
  });
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  return {
    url: `http://127.0.0.1:${(server.address() as AddressInfo).port}`,
    close: () => {
      server.close();
      for (const socket of sockets) socket.destroy();
    },
  };
}
