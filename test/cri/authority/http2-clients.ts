import http2 from 'node:http2';
import net from 'node:net';
import { frameFlags, frameOf, frameTypes, framesOf } from '../../../src/cri/authority/frames.js';

export const versionPath = '/runtime.v1.RuntimeService/Version';

/** A gRPC message: VersionRequest and VersionResponse both have one string as field 1. */
export function grpcMessage(version: string): Buffer {
  const text = Buffer.from(version);
  const length: number[] = [];
  for (let rest = text.length; ; rest = Math.floor(rest / 128)) {
    length.push(rest < 128 ? rest : (rest % 128) | 128);
    if (rest < 128) break;
  }
  const body = text.length === 0 ? text : Buffer.concat([Buffer.from([0x0a, ...length]), text]);
  const head = Buffer.alloc(5);
  head.writeUInt32BE(body.length, 1);
  return Buffer.concat([head, body]);
}

/** Whether a gRPC message holds this version as its first field. */
export function carries(body: Buffer | undefined, version: string): boolean {
  const field = grpcMessage(version).subarray(5);
  return body?.subarray(5, 5 + field.length).equals(field) === true;
}

export interface Answer {
  grpcStatus: string | undefined;
  body: Buffer;
}

/** Calls Version over an http2 client of Node's, whose encoder indexes and Huffman-codes; undefined headers are left out. */
export function callVersion(
  session: http2.ClientHttp2Session,
  { version = '', headers = {} }: { version?: string; headers?: Record<string, string> } = {},
): Promise<Answer> {
  return new Promise((resolve, reject) => {
    const stream = session.request({
      ':method': 'POST',
      ':path': versionPath,
      'content-type': 'application/grpc',
      te: 'trailers',
      ...headers,
    });
    const chunks: Buffer[] = [];
    let grpcStatus: string | undefined;
    const note = (received: http2.IncomingHttpHeaders): void => {
      grpcStatus ??= received['grpc-status'] as string | undefined;
    };
    stream.on('response', note);
    stream.on('trailers', note);
    stream.on('data', (chunk: Buffer) => chunks.push(chunk));
    stream.on('error', reject);
    stream.on('close', () => resolve({ grpcStatus, body: Buffer.concat(chunks) }));
    stream.end(grpcMessage(version));
  });
}

export function http2Session(socketPath: string): http2.ClientHttp2Session {
  return http2.connect('http://localhost', { createConnection: () => net.connect(socketPath) });
}

export const preface = Buffer.from('PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n', 'latin1');
export const settings = frameOf(frameTypes.settings, Buffer.alloc(0));
const settingsAck = frameOf(frameTypes.settings, Buffer.alloc(0), { flags: frameFlags.ack });
const dataType = 0;
const resetType = 3;
const pingType = 6;
const goAwayType = 7;

/** Frames by hand, for what no client library can be made to send. Answers SETTINGS as it must. */
export class RawClient {
  private readonly socket: net.Socket;
  private held: Buffer = Buffer.alloc(0);
  /** Of each stream: `ok` once the server has ended it, `reset` when it refused it. */
  readonly ended = new Map<number, 'ok' | 'reset'>();
  readonly bodies = new Map<number, Buffer>();
  readonly pongs: string[] = [];
  settingsSeen = 0;
  closed = false;
  goneAway = false;
  private waiters: (() => void)[] = [];

  constructor(socketPath: string) {
    this.socket = net.connect(socketPath);
    this.socket.on('data', (chunk: Buffer) => this.receive(chunk));
    this.socket.on('error', () => undefined);
    this.socket.on('close', () => {
      this.closed = true;
      this.wake();
    });
  }

  send(...parts: Buffer[]): void {
    this.socket.write(Buffer.concat(parts));
  }

  /** The bytes one at a time, each in a write of its own. */
  async trickle(bytes: Buffer): Promise<void> {
    for (const byte of bytes) {
      await new Promise<void>((resolve) => this.socket.write(Buffer.of(byte), () => resolve()));
    }
  }

  /** Resolves when `condition` holds after something has come. */
  async until(condition: () => boolean): Promise<void> {
    while (!condition()) await new Promise<void>((resolve) => this.waiters.push(resolve));
  }

  close(): void {
    this.socket.destroy();
  }

  private wake(): void {
    for (const wake of this.waiters.splice(0)) wake();
  }

  private receive(chunk: Buffer): void {
    this.held = Buffer.concat([this.held, chunk]);
    while (this.held.length >= 9 && this.held.length >= 9 + this.held.readUIntBE(0, 3)) {
      const length = this.held.readUIntBE(0, 3);
      this.frame(this.held.subarray(0, 9), this.held.subarray(9, 9 + length));
      this.held = this.held.subarray(9 + length);
    }
    this.wake();
  }

  private frame(head: Buffer, payload: Buffer): void {
    const type = head.readUInt8(3);
    const flags = head.readUInt8(4);
    const stream = head.readUInt32BE(5);
    if (type === frameTypes.settings && (flags & frameFlags.ack) === 0) {
      this.settingsSeen += 1;
      this.send(settingsAck);
    }
    if (type === pingType) this.pongs.push(payload.toString('latin1'));
    if (type === goAwayType) this.goneAway = true;
    if (type === resetType) this.ended.set(stream, this.ended.get(stream) ?? 'reset');
    if (type === dataType) {
      this.bodies.set(stream, Buffer.concat([this.bodies.get(stream) ?? Buffer.alloc(0), payload]));
    }
    if ((type === dataType || type === frameTypes.headers) && (flags & frameFlags.endStream) !== 0) {
      this.ended.set(stream, 'ok');
    }
  }
}

/** A Version call with this header block, HPACK-coded by the test. */
export function rawCall(streamId: number, fragment: Buffer, version = ''): Buffer {
  const block = { streamId, endStream: false, priority: Buffer.alloc(0), fragment };
  const data = frameOf(dataType, grpcMessage(version), { flags: frameFlags.endStream, streamId });
  return Buffer.concat([framesOf(block), data]);
}

export const ping = (text: string): Buffer => frameOf(pingType, Buffer.from(text, 'latin1'));
