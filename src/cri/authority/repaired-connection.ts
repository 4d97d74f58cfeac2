import type net from 'node:net';
import { Duplex } from 'node:stream';
import type { RequestRepair } from './request-repair.js';

/** A client's socket as the server sees it when the client's requests need repair. What the server sends goes out as it is. */
export class RepairedConnection extends Duplex {
  constructor(
    private readonly socket: net.Socket,
    private readonly repair: RequestRepair,
    /** What was read from the socket already. */
    first: Buffer,
  ) {
    super({ allowHalfOpen: true });
    socket.on('data', (chunk: Buffer) => this.receive(chunk));
    socket.once('end', () => this.push(null));
    socket.once('close', () => this.destroy());
    this.receive(first);
  }

  private receive(chunk: Buffer): void {
    try {
      const mended = this.repair.feed(chunk);
      if (mended.length > 0 && !this.push(mended)) this.socket.pause();
    } catch (thrown) {
      this.destroy(thrown as Error);
    }
  }

  override _read(): void {
    this.socket.resume();
  }

  override _write(chunk: Buffer, _encoding: BufferEncoding, done: (error?: Error | null) => void): void {
    this.socket.write(chunk, done);
  }

  override _final(done: () => void): void {
    this.socket.end(done);
  }

  override _destroy(error: Error | null, done: (error: Error | null) => void): void {
    this.socket.destroy();
    done(error);
  }
}
