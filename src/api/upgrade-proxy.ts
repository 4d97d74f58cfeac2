import { request as httpRequest } from 'node:http';
import type { IncomingMessage } from 'node:http';
import { request as httpsRequest } from 'node:https';
import type { Duplex } from 'node:stream';
import { rootCertificates } from 'node:tls';
import { NodeletError } from '../base/errors.js';

/** Where to, and a certificate that is trusted there besides the usual ones. */
export interface ProxyTarget {
  url: string;
  certificate: Buffer | undefined;
}

/**
 * Passes a client's upgrade request on to `url` and then joins the two connections byte for byte, as the kubelet and the
 * API server do. Rejects with `unavailable` when nobody answers there; a refusal of the other side goes to the client.
 */
export async function proxyUpgrade(
  client: { request: IncomingMessage; socket: Duplex; head: Buffer },
  { url, certificate }: ProxyTarget,
): Promise<void> {
  // Apart, as they came: Go's servers don't look into a list for a protocol.
  const { host, ...headers } = client.request.headersDistinct;
  const options = { method: client.request.method, headers };
  const upstream = url.startsWith('https:')
    ? httpsRequest(url, {
        ...options,
        ca: [...rootCertificates, ...(certificate === undefined ? [] : [certificate])],
      })
    : httpRequest(url, options);
  await new Promise<void>((resolve, reject) => {
    upstream.once('error', (error) =>
      reject(
        new NodeletError('unavailable', `the runtime's stream ${host?.[0] ?? ''} failed: ${error.message}`, {
          cause: error,
        }),
      ),
    );
    upstream.once('upgrade', (response, socket, head) => {
      client.socket.write(headOf(response));
      join(client.socket, client.head, socket, head);
      resolve();
    });
    upstream.once('response', (response) => {
      client.socket.write(headOf(response));
      response.pipe(client.socket);
      resolve();
    });
    client.socket.once('close', () => upstream.destroy());
    upstream.end();
  });
}

function headOf({ statusCode, statusMessage, rawHeaders }: IncomingMessage): string {
  const lines = [`HTTP/1.1 ${statusCode} ${statusMessage}`];
  for (let index = 0; index < rawHeaders.length; index += 2)
    lines.push(`${rawHeaders[index]}: ${rawHeaders[index + 1]}`);
  return `${lines.join('\r\n')}\r\n\r\n`;
}

function join(client: Duplex, clientHead: Buffer, runtime: Duplex, runtimeHead: Buffer): void {
  for (const [from, to] of [
    [client, runtime],
    [runtime, client],
  ] as const) {
    from.on('error', () => from.destroy());
    // A connection that broke takes the other one along; one that ended has had its end passed on by the pipe.
    from.on('close', () => {
      if (from.readableEnded) to.end();
      else to.destroy();
    });
  }
  client.write(runtimeHead);
  runtime.write(clientHead);
  client.pipe(runtime);
  runtime.pipe(client);
}
