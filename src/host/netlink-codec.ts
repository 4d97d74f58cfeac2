import { NodeletError } from '../base/errors.js';

/**
 * Netlink's framing, netlink(7) and linux/netlink.h: messages of a 16-byte header and a payload, attributes of a
 * 4-byte header and a value, both padded to 4 bytes. Numbers are in the host's byte order; every machine that
 * Node 20 supports on Linux is little-endian, except s390x, where the socket refuses to open.
 */
export interface NetlinkMessage {
  type: number;
  flags: number;
  sequence: number;
  payload: Buffer;
}

/** A request to the kernel; `what` says in an error what was being done. */
export interface NetlinkRequest {
  what: string;
  type: number;
  flags: number;
  payload: Buffer;
}

/** An attribute to be sent; a list of attributes as its value makes it a nested one. */
export interface Attribute {
  type: number;
  value: Buffer | readonly Attribute[];
}

/** The kernel's answer to a request: errno 0 is success, `text` its extended explanation. */
export interface Acknowledgement {
  errno: number;
  text: string;
}

export const messageFlag = {
  request: 0x1,
  ack: 0x4,
  dumpInterrupted: 0x10,
  /** Of requests that make something. */
  replace: 0x100,
  exclusive: 0x200,
  create: 0x400,
  /** Of requests that list. */
  dump: 0x300,
} as const;

export const messageType = { error: 2, done: 3 } as const;

const headerBytes = 16;
const attributeHeaderBytes = 4;
const nestedFlag = 0x8000;
const typeMask = 0x3fff;
const ackFlag = { capped: 0x100, hasAttributes: 0x200 };
const ackTextAttribute = 1;

const padded = (bytes: number): number => (bytes + 3) & ~3;

export const u8 = (type: number, value: number): Attribute => ({ type, value: Buffer.from([value]) });
export const text = (type: number, value: string): Attribute => ({ type, value: Buffer.from(`${value}\0`) });
export function u32(type: number, value: number): Attribute {
  const bytes = Buffer.alloc(4);
  bytes.writeUInt32LE(value);
  return { type, value: bytes };
}

export function encodeAttributes(attributes: readonly Attribute[]): Buffer {
  return Buffer.concat(
    attributes.map(({ type, value }) => {
      const nested = !Buffer.isBuffer(value);
      const content = nested ? encodeAttributes(value) : value;
      const bytes = Buffer.alloc(padded(attributeHeaderBytes + content.length));
      bytes.writeUInt16LE(attributeHeaderBytes + content.length, 0);
      bytes.writeUInt16LE(nested ? type | nestedFlag : type, 2);
      content.copy(bytes, attributeHeaderBytes);
      return bytes;
    }),
  );
}

/** A payload: the fixed struct of its message type, then attributes. */
export const withAttributes = (header: Buffer, attributes: readonly Attribute[]): Buffer =>
  Buffer.concat([header, encodeAttributes(attributes)]);

/** Attributes by type; of a type that comes twice the last one counts. `corrupt` when a length is out of bounds. */
export function decodeAttributes(bytes: Buffer): Map<number, Buffer> {
  const found = new Map<number, Buffer>();
  for (let at = 0; at + attributeHeaderBytes <= bytes.length;) {
    const length = bytes.readUInt16LE(at);
    if (length < attributeHeaderBytes || at + length > bytes.length) throw outOfBounds('attribute');
    found.set(bytes.readUInt16LE(at + 2) & typeMask, bytes.subarray(at + attributeHeaderBytes, at + length));
    at += padded(length);
  }
  return found;
}

export function encodeMessage({ type, flags, sequence, payload }: NetlinkMessage): Buffer {
  const bytes = Buffer.alloc(padded(headerBytes + payload.length));
  bytes.writeUInt32LE(headerBytes + payload.length, 0);
  bytes.writeUInt16LE(type, 4);
  bytes.writeUInt16LE(flags, 6);
  bytes.writeUInt32LE(sequence, 8);
  payload.copy(bytes, headerBytes);
  return bytes;
}

/** The messages of one datagram. `corrupt` when a length is out of bounds. */
export function decodeMessages(bytes: Buffer): NetlinkMessage[] {
  const messages: NetlinkMessage[] = [];
  for (let at = 0; at + headerBytes <= bytes.length;) {
    const length = bytes.readUInt32LE(at);
    if (length < headerBytes || at + length > bytes.length) throw outOfBounds('message');
    messages.push({
      type: bytes.readUInt16LE(at + 4),
      flags: bytes.readUInt16LE(at + 6),
      sequence: bytes.readUInt32LE(at + 8),
      payload: bytes.subarray(at + headerBytes, at + length),
    });
    at += padded(length);
  }
  return messages;
}

/** Reads an NLMSG_ERROR or NLMSG_DONE message: a negative errno, the request's header, then attributes. */
export function decodeAcknowledgement({ type, flags, payload }: NetlinkMessage): Acknowledgement {
  if (payload.length < 4) throw outOfBounds('acknowledgement');
  const errno = 0 - payload.readInt32LE(0);
  if ((flags & ackFlag.hasAttributes) === 0) return { errno, text: '' };
  let start = 4;
  if (type === messageType.error) {
    if (payload.length < 4 + headerBytes) throw outOfBounds('acknowledgement');
    // Without the flag the whole request comes back, not its header alone.
    start += (flags & ackFlag.capped) === 0 ? padded(payload.readUInt32LE(4)) : headerBytes;
  }
  const explanation = decodeAttributes(payload.subarray(start)).get(ackTextAttribute);
  return { errno, text: explanation === undefined ? '' : readText(explanation) };
}

/** A string value without its closing zero. */
export function readText(value: Buffer): string {
  const end = value.indexOf(0);
  return value.toString('utf8', 0, end === -1 ? value.length : end);
}

function outOfBounds(what: string): NodeletError {
  return new NodeletError('corrupt', `a netlink ${what} has a length out of bounds`);
}
