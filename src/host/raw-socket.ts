import { NodeletError } from '../base/errors.js';
import { bind, closeFd, errnoName, lastErrno, mustSucceed } from './libc.js';

const socket = bind<(domain: number, type: number, protocol: number) => number>(
  'int socket(int domain, int type, int protocol)',
);
const connect = bind<(fd: number, address: Buffer, bytes: number) => number>(
  'int connect(int fd, const void *address, unsigned int bytes)',
);
const poll = bind<(fds: Buffer, count: number, timeoutMs: number) => number>(
  'int poll(void *fds, unsigned long count, int timeoutMs)',
);
const getsockopt = bind<(fd: number, level: number, option: number, value: Buffer, bytes: Buffer) => number>(
  'int getsockopt(int fd, int level, int option, void *value, void *bytes)',
);

export const family = { unix: 1, inet: 2, inet6: 10 } as const;
export const kind = { stream: 1, packets: 5 } as const;
/** SOCK_NONBLOCK and SOCK_CLOEXEC. */
const flags = 0o4000 | 0o2000000;
const socketLevel = 1;
const pendingError = 4;
const writable = 4;
const longestPauseMs = 20;
const patienceMs = 10_000;

/** A socket that never blocks and that no child inherits, in the network namespace that the main thread is in. */
export function openSocket(domain: number, type: number): number {
  return mustSucceed(socket(domain, type | flags, 0), 'opening a socket');
}

/**
 * Connects within this machine, where the answer is there at once or the other side is too busy to take it, which is
 * looked at again now and then. Rejects with `unavailable`; the socket is closed then.
 */
export async function connectSocket(fd: number, address: Buffer, what: string): Promise<void> {
  const refused = (reason: string) => {
    closeFd(fd);
    return new NodeletError('unavailable', saidOf(reason, what));
  };
  if (connect(fd, address, address.length) === 0) return;
  const reason = errnoName(lastErrno());
  if (reason !== 'EINPROGRESS') throw refused(reason);
  const request = Buffer.alloc(8);
  request.writeInt32LE(fd, 0);
  request.writeInt16LE(writable, 4);
  const start = performance.now();
  while (poll(request, 1, 0) === 0) {
    const waitedMs = performance.now() - start;
    if (waitedMs > patienceMs) throw refused('ETIMEDOUT');
    await new Promise((resolve) => setTimeout(resolve, Math.min(longestPauseMs, waitedMs)));
  }
  const [value, bytes] = [Buffer.alloc(4), Buffer.from([4, 0, 0, 0])];
  if (getsockopt(fd, socketLevel, pendingError, value, bytes) !== 0) throw refused(errnoName(lastErrno()));
  const error = value.readInt32LE();
  if (error !== 0) throw refused(errnoName(error));
}

function saidOf(reason: string, what: string): string {
  if (reason === 'ECONNREFUSED') return `connection refused: nothing listens on ${what} (${reason})`;
  if (reason === 'ETIMEDOUT') return `connection timed out: ${what} does not answer (${reason})`;
  return `connecting to ${what} failed: ${reason}`;
}

/** struct sockaddr_in and sockaddr_in6 of the loopback, ip(7) and ipv6(7). */
export function loopbackAddress(domain: 2 | 10, port: number): Buffer {
  const address = Buffer.alloc(domain === family.inet ? 16 : 28);
  address.writeUInt16LE(domain, 0);
  address.writeUInt16BE(port, 2);
  if (domain === family.inet) Buffer.from([127, 0, 0, 1]).copy(address, 4);
  else address.writeUInt8(1, 23);
  return address;
}

/** struct sockaddr_un, unix(7). */
export function unixAddress(path: string): Buffer {
  const address = Buffer.alloc(110);
  address.writeUInt16LE(family.unix, 0);
  address.write(path, 2, 107);
  return address;
}
