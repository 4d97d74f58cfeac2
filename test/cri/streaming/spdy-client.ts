import http from 'node:http';
import https from 'node:https';
import type { Duplex } from 'node:stream';
import transport from 'spdy-transport';
import type { Connection, Stream } from 'spdy-transport';

/** A SPDY client by a library that was not written for nodelet's server. */
export interface SpdyClient {
  connection: Connection;
  socket: Duplex;
  /** What the server has chosen; undefined where it named none. */
  protocol: string | undefined;
  /** Opens a stream with these headers and gathers what comes from it. One after the other: the library would reorder them. */
  open: (headers: Record<string, string>) => Promise<OpenStream>;
}

export interface OpenStream {
  stream: Stream;
  text(): string;
  /** Everything that came, once the server has ended it. */
  whole: Promise<Buffer>;
}

/** Upgrades a connection to SPDY/3.1 at `url`, offering the protocols given; rejects with the answer's text when it is refused. */
export async function connectSpdy(url: string, protocols: string[], ca?: Buffer): Promise<SpdyClient> {
  const { socket, protocol } = await new Promise<{ socket: Duplex; protocol: string | undefined }>(
    (resolve, reject) => {
      const headers = {
        connection: 'Upgrade',
        upgrade: 'SPDY/3.1',
        ...(protocols.length === 0 ? {} : { 'x-stream-protocol-version': protocols }),
      };
      const options = { method: 'POST', headers };
      const request = ca === undefined ? http.request(url, options) : https.request(url, { ...options, ca });
      request.once('upgrade', (response, upgraded) => {
        const chosen = response.headers['x-stream-protocol-version'];
        resolve({ socket: upgraded, protocol: [chosen].flat()[0] });
      });
      request.once('response', (response) => {
        response.setEncoding('utf8');
        let text = '';
        response.on('data', (chunk: string) => (text += chunk));
        response.once('end', () => reject(new Error(`${response.statusCode} ${text}`)));
      });
      request.once('error', reject);
      request.end();
    },
  );
  return { ...overSocket(socket), protocol };
}

/** SPDY over a connection that speaks it already. */
export function overSocket(socket: Duplex): Omit<SpdyClient, 'protocol'> {
  const connection = transport.connection.create(socket, { protocol: 'spdy', isServer: false });
  connection.on('error', () => undefined);
  connection.start(3.1);
  return {
    connection,
    socket,
    open: (headers) =>
      new Promise((resolve, reject) => {
        const opened = gather(
          connection.request({ method: 'POST', path: '/', host: '', headers }, (error) => {
            if (error instanceof Error) reject(error);
            else resolve(opened);
          }),
        );
      }),
  };
}

function gather(stream: Stream): OpenStream {
  // The library is made for HTTP, where each stream is answered by a status; Kubernetes' servers send none.
  stream._spdyState.needResponse = false;
  const pieces: Buffer[] = [];
  stream.on('error', () => undefined);
  stream.on('data', (piece: Buffer) => pieces.push(piece));
  const text = () => Buffer.concat(pieces).toString();
  return {
    stream,
    text,
    whole: new Promise((resolve) => stream.once('end', () => resolve(Buffer.concat(pieces)))),
  };
}
