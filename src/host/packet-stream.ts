import net from 'node:net';
import { Duplex } from 'node:stream';
import { NodeletError } from '../base/errors.js';
import { bind, closeFd, mustSucceed } from './libc.js';
import { family, kind } from './raw-socket.js';

const socketpair = bind<(domain: number, type: number, protocol: number, fds: number[]) => number>(
  'int socketpair(int domain, int type, int protocol, _Out_ int *fds)',
);
const dup3 = bind<(from: number, to: number, flags: number) => number>(
  'int dup3(int from, int to, int flags)',
);

const closeOnExec = 0o2000000;
/** Packets that wait for their reader before no more are taken. */
const waitingPackets = 16;
const maxPacketBytes = 16 * 1024;

/**
 * A packet socket as a net.Socket. Node takes no descriptor of this kind (ERR_INVALID_FD_TYPE), though libuv serves it
 * like any other: it reads and writes whatever is behind the number. So Node is given one end of a pair of stream sockets,
 * and the packet socket takes that end's number, within the same turn of the event loop, before libuv polls it.
 */
function asNetSocket(packetFd: number): net.Socket {
  const pair = [0, 0];
  mustSucceed(socketpair(family.unix, kind.stream | closeOnExec, 0, pair), 'opening a pair of sockets');
  const [given = -1, other = -1] = pair;
  try {
    const socket = new net.Socket({ fd: given, readable: true, writable: true, allowHalfOpen: true });
    mustSucceed(dup3(packetFd, given, closeOnExec), 'giving the packet socket its number');
    return socket;
  } finally {
    closeFd(other);
    closeFd(packetFd);
  }
}

/** Packets as chunks: one read of libuv's is one packet, and so is one write. Takes the descriptor over. */
export class PacketStream extends Duplex {
  private readonly socket: net.Socket;

  constructor(packetFd: number) {
    super({ readableObjectMode: true, readableHighWaterMark: waitingPackets });
    this.socket = asNetSocket(packetFd);
    this.socket.on('data', (packet) => {
      if (!this.push(packet)) this.socket.pause();
    });
    this.socket.once('end', () => this.push(null));
    this.socket.once('error', (error) => this.destroy(error));
    this.socket.once('close', () => this.destroy());
  }

  override _read(): void {
    this.socket.resume();
  }

  /** Each packet is awaited, since Node would put two that wait into one. */
  override _write(packet: Buffer, _encoding: BufferEncoding, done: (error?: Error | null) => void): void {
    if (packet.length > maxPacketBytes) {
      return done(
        new NodeletError('bug', `a packet of ${packet.length} bytes is larger than ${maxPacketBytes}`),
      );
    }
    this.socket.write(packet, done);
  }

  override _final(done: (error?: Error | null) => void): void {
    this.socket.end(() => done());
  }

  override _destroy(error: Error | null, done: (error: Error | null) => void): void {
    this.socket.destroy();
    done(error);
  }
}
