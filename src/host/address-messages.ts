import { parseIpPrefix } from './ip-bytes.js';
import { decodeAttributes, messageFlag, u32, withAttributes } from './netlink-codec.js';
import type { NetlinkRequest } from './netlink-codec.js';

/** Message types and attributes of rtnetlink(7), linux/if_addr.h and linux/rtnetlink.h. */
const rtm = { newAddress: 20, delAddress: 21, getAddress: 22, newRoute: 24 };
const ifa = { address: 1, local: 2 };
const rta = { outInterface: 4, gateway: 5 };

const addressFamily = { inet: 2, inet6: 10 };
const noDuplicateDetection = 2;
const linkScope = 253;
const mainTable = 254;
const protocolBoot = 3;
const unicastRoute = 1;
const headerBytes = 8;

/** struct ifaddrmsg: family, prefix, flags, scope, index. */
function addressHeader(at: {
  family: number;
  prefixBits: number;
  flags?: number;
  scope?: number;
  index: number;
}): Buffer {
  const header = Buffer.from([at.family, at.prefixBits, at.flags ?? 0, at.scope ?? 0, 0, 0, 0, 0]);
  header.writeUInt32LE(at.index, 4);
  return header;
}

/** An address with prefix on the interface; one that is there already stays. */
export function addAddress(written: string, index: number): NetlinkRequest {
  const { family, address, prefixBits } = parseIpPrefix(written);
  return {
    what: `adding address ${written}`,
    type: rtm.newAddress,
    flags: messageFlag.create | messageFlag.replace,
    payload: withAttributes(
      addressHeader({ family: addressFamily[family], prefixBits, flags: noDuplicateDetection, index }),
      [
        { type: ifa.local, value: address },
        { type: ifa.address, value: address },
      ],
    ),
  };
}

/** A default route through `gateway`; struct rtmsg. */
export function addDefaultRoute(gateway: string, index: number): NetlinkRequest {
  const { family, address } = parseIpPrefix(gateway);
  const header = Buffer.alloc(12);
  header.writeUInt8(addressFamily[family], 0);
  header.writeUInt8(mainTable, 4);
  header.writeUInt8(protocolBoot, 5);
  header.writeUInt8(unicastRoute, 7);
  return {
    what: `adding the default route through ${gateway}`,
    type: rtm.newRoute,
    flags: messageFlag.create | messageFlag.exclusive,
    payload: withAttributes(header, [{ type: rta.gateway, value: address }, u32(rta.outInterface, index)]),
  };
}

export const listAddresses: NetlinkRequest = {
  what: 'listing addresses',
  type: rtm.getAddress,
  flags: messageFlag.dump,
  payload: addressHeader({ family: 0, prefixBits: 0, index: 0 }),
};

export interface DecodedAddress {
  index: number;
  /** The kernel's own of this link (IPv6 link-local), not one that somebody has given it. */
  linkLocal: boolean;
  family: 'inet' | 'inet6';
  address: Buffer;
  prefixBits: number;
}

/** Reads an RTM_NEWADDR message; undefined for families other than IP. */
export function decodeAddress(payload: Buffer): DecodedAddress | undefined {
  const attributes = decodeAttributes(payload.subarray(headerBytes));
  // On a point-to-point link IFA_ADDRESS is the other side's; IPv6 has only IFA_ADDRESS.
  const address = attributes.get(ifa.local) ?? attributes.get(ifa.address);
  const code = payload.readUInt8(0);
  if (address === undefined || (code !== addressFamily.inet && code !== addressFamily.inet6))
    return undefined;
  return {
    family: code === addressFamily.inet ? 'inet' : 'inet6',
    prefixBits: payload.readUInt8(1),
    linkLocal: payload.readUInt8(3) === linkScope,
    index: payload.readUInt32LE(4),
    address,
  };
}

export function removeAddress({ family, address, prefixBits, index }: DecodedAddress): NetlinkRequest {
  return {
    what: 'removing an address that is not configured',
    type: rtm.delAddress,
    flags: 0,
    payload: withAttributes(addressHeader({ family: addressFamily[family], prefixBits, index }), [
      { type: ifa.local, value: address },
    ]),
  };
}
