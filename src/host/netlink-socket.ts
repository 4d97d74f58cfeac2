import os from 'node:os';
import { NodeletError } from '../base/errors.js';
import { bind, closeFd, errnoName, mustSucceed } from './libc.js';
import {
  decodeAcknowledgement,
  decodeMessages,
  encodeMessage,
  messageFlag,
  messageType,
} from './netlink-codec.js';
import type { NetlinkMessage, NetlinkRequest } from './netlink-codec.js';

const socket = bind<(domain: number, type: number, protocol: number) => number>(
  'int socket(int domain, int type, int protocol)',
);
const setsockopt = bind<(fd: number, level: number, option: number, value: Buffer, bytes: number) => number>(
  'int setsockopt(int fd, int level, int option, const void *value, unsigned int bytes)',
);
const send = bind<(fd: number, bytes: Buffer, length: number, flags: number) => number>(
  'long send(int fd, const void *bytes, size_t length, int flags)',
);
const recv = bind<(fd: number, bytes: Buffer, length: number, flags: number) => number>(
  'long recv(int fd, void *bytes, size_t length, int flags)',
);
const ioctl = bind<(fd: number, request: number, argument: Buffer) => number>(
  'int ioctl(int fd, unsigned long request, void *argument)',
);

const netlinkFamily = 16;
const rawCloseOnExec = 0x80003;
const routeProtocol = 0;
const netlinkLevel = 270;
/** Short acknowledgements, explanations in them. */
const wantedOptions = { cappedAcks: 10, extendedAcks: 11 };
const dontWait = 0x40;
const reportTruncation = 0x20;
const receiveBytes = 64 * 1024;
const dumpAttempts = 5;
const getInterfaceIndex = 0x8933;
/** struct ifreq: 16 bytes of name, then here the index. */
const ifreq = { bytes: 40, nameBytes: 16 };

/** What became of one request. */
export interface Outcome {
  what: string;
  /** 0 where the kernel has done it. */
  errno: number;
  text: string;
}

/**
 * A conversation with rtnetlink(7), bound for good to the network namespace it was opened in. One conversation is
 * one caller's: requests don't overlap. The kernel does the work within send(), under a lock that the removal of other
 * links can hold for tens of milliseconds; so sending runs on a worker thread, and the answer is there when it returns.
 */
export class NetlinkSocket {
  private sequence = 0;
  private readonly buffer = Buffer.alloc(receiveBytes);

  private constructor(private readonly fd: number) {}

  /** In the network namespace that the calling thread is in now. */
  static open(): NetlinkSocket {
    if (os.endianness() !== 'LE') {
      throw new NodeletError('unsupported', 'rtnetlink on a big-endian machine is not supported');
    }
    const fd = mustSucceed(socket(netlinkFamily, rawCloseOnExec, routeProtocol), 'opening a netlink socket');
    const on = Buffer.from([1, 0, 0, 0]);
    for (const option of Object.values(wantedOptions)) setsockopt(fd, netlinkLevel, option, on, on.length);
    return new NetlinkSocket(fd);
  }

  close(): void {
    closeFd(this.fd);
  }

  /** Sends the requests as one datagram; the kernel takes each in turn, whatever became of the one before. */
  async request(requests: readonly NetlinkRequest[]): Promise<Outcome[]> {
    if (requests.length === 0) return [];
    const first = this.sequence + 1;
    await this.send(requests, messageFlag.ack);
    const outcomes: Outcome[] = [];
    while (outcomes.length < requests.length) {
      for (const message of this.receive()) {
        const what = requests[message.sequence - first]?.what;
        if (what === undefined || message.type !== messageType.error) continue;
        outcomes.push({ what, ...decodeAcknowledgement(message) });
      }
    }
    return outcomes;
  }

  /** Like `request`, and throws what the first refused one was refused for. */
  async mustRequest(requests: readonly NetlinkRequest[]): Promise<void> {
    for (const outcome of await this.request(requests)) throwIfRefused(outcome);
  }

  /** Payloads of all messages of a listing, asked for anew when it changed while it was read. */
  async list(request: NetlinkRequest): Promise<Buffer[]> {
    for (let attempt = 0; attempt < dumpAttempts; attempt++) {
      await this.send([request], 0);
      const { payloads, interrupted } = this.receiveListing(request.what);
      if (!interrupted) return payloads;
    }
    throw new NodeletError('unavailable', `${request.what}: it kept changing while it was read`);
  }

  /** Index of an interface in this socket's namespace, undefined where there is none of that name. */
  indexOf(name: string): number | undefined {
    const argument = Buffer.alloc(ifreq.bytes);
    argument.write(name, 0, ifreq.nameBytes - 1);
    return ioctl(this.fd, getInterfaceIndex, argument) === 0
      ? argument.readInt32LE(ifreq.nameBytes)
      : undefined;
  }

  private async send(requests: readonly NetlinkRequest[], extraFlags: number): Promise<void> {
    const datagram = Buffer.concat(
      requests.map(({ type, flags, payload }) =>
        encodeMessage({
          type,
          flags: flags | messageFlag.request | extraFlags,
          sequence: ++this.sequence,
          payload,
        }),
      ),
    );
    const sent = await send.inWorker(this.fd, datagram, datagram.length, 0);
    if (sent !== datagram.length) {
      throw new NodeletError('tool-failed', `${requests[0]?.what}: the kernel took no netlink message`);
    }
  }

  private receiveListing(what: string): { payloads: Buffer[]; interrupted: boolean } {
    const payloads: Buffer[] = [];
    let interrupted = false;
    for (;;) {
      for (const message of this.receive()) {
        if (message.sequence !== this.sequence) continue;
        interrupted ||= (message.flags & messageFlag.dumpInterrupted) !== 0;
        if (message.type === messageType.done) return { payloads, interrupted };
        if (message.type === messageType.error) throwIfRefused({ what, ...decodeAcknowledgement(message) });
        payloads.push(Buffer.from(message.payload));
      }
    }
  }

  private receive(): NetlinkMessage[] {
    const bytes = recv(this.fd, this.buffer, this.buffer.length, dontWait | reportTruncation);
    if (bytes > this.buffer.length) throw new NodeletError('bug', 'a netlink answer was cut off');
    mustSucceed(bytes, 'reading the answer of rtnetlink');
    return decodeMessages(this.buffer.subarray(0, bytes));
  }
}

export function throwIfRefused({ what, errno, text }: Outcome): void {
  if (errno === 0) return;
  throw new NodeletError(
    'tool-failed',
    `${what} failed: ${errnoName(errno)}${text === '' ? '' : ` (${text})`}`,
  );
}
