import net from 'node:net';
import { NodeletError } from '../base/errors.js';

/** An address with the length of its prefix, as the kernel takes it: bytes in network order. */
export interface IpPrefix {
  family: 'inet' | 'inet6';
  address: Buffer;
  prefixBits: number;
}

/** Reads `10.88.0.2/16` or `fd00::2/64`; without a prefix it is the whole address. `invalid` for anything else. */
export function parseIpPrefix(written: string): IpPrefix {
  const [address = '', prefix, ...rest] = written.split('/');
  const version = net.isIP(address);
  const wholeBits = version === 4 ? 32 : 128;
  const prefixBits = prefix === undefined ? wholeBits : /^\d{1,3}$/.test(prefix) ? Number(prefix) : NaN;
  if (version === 0 || address.includes('%') || rest.length > 0 || !(prefixBits <= wholeBits)) {
    throw new NodeletError('invalid', `"${written}" is no IP address with a prefix`);
  }
  return version === 4
    ? { family: 'inet', address: ipv4Bytes(address), prefixBits }
    : { family: 'inet6', address: ipv6Bytes(address), prefixBits };
}

const ipv4Bytes = (address: string): Buffer => Buffer.from(address.split('.').map(Number));

/** Eight groups of 16 bits, RFC 4291 section 2.2: `::` stands for as many zero groups as are missing, and the last two may be an IPv4 address. */
function ipv6Bytes(address: string): Buffer {
  const tail = /\d+\.\d+\.\d+\.\d+$/.exec(address)?.[0] ?? '';
  const hex = ipv4Bytes(tail).toString('hex');
  const plain = tail === '' ? address : `${address.slice(0, -tail.length)}${hex.slice(0, 4)}:${hex.slice(4)}`;
  const halves = plain.split('::').map((half) => half.split(':').filter((group) => group !== ''));
  const [head = [], end = []] = halves;
  const missing = Array<string>(8 - head.length - end.length).fill('0');
  const groups = [...head, ...missing, ...end];
  return Buffer.from(groups.map((group) => group.padStart(4, '0')).join(''), 'hex');
}
