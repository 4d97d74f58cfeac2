import type { LinkEntry } from '../ports/links.js';
import { decodeAttributes, messageFlag, readText, text, u32, u8, withAttributes } from './netlink-codec.js';
import type { Attribute, NetlinkRequest } from './netlink-codec.js';

/** Message types of rtnetlink(7). */
const rtm = { newLink: 16, delLink: 17, getLink: 18 };
/** Attributes of linux/if_link.h and linux/veth.h. */
const ifla = { address: 1, name: 3, mtu: 4, master: 10, linkInfo: 18, netnsFd: 28, extMask: 29 };
const linkInfo = { kind: 1, data: 2, slaveKind: 4, slaveData: 5 };
const vethPeer = 1;
const bridgePortHairpin = 4;

const interfaceUp = 1;
const skipStatistics = 8;
const headerBytes = 16;

const make = messageFlag.create | messageFlag.exclusive;

/** struct ifinfomsg: family, device type, index, flags and which of them change. */
function linkHeader({ index = 0, up = false }: { index?: number; up?: boolean } = {}): Buffer {
  const header = Buffer.alloc(headerBytes);
  header.writeInt32LE(index, 4);
  header.writeUInt32LE(up ? interfaceUp : 0, 8);
  header.writeUInt32LE(up ? interfaceUp : 0, 12);
  return header;
}

function mac(written: string): Attribute {
  return { type: ifla.address, value: Buffer.from(written.replaceAll(':', ''), 'hex') };
}

export function makeBridge({ name, mac: address }: { name: string; mac: string }): NetlinkRequest {
  return {
    what: `making bridge ${name}`,
    type: rtm.newLink,
    flags: make,
    payload: withAttributes(linkHeader(), [
      text(ifla.name, name),
      mac(address),
      { type: ifla.linkInfo, value: [text(linkInfo.kind, 'bridge')] },
    ]),
  };
}

export function bringUp(link: { name: string; mac: string; mtu: number }): NetlinkRequest {
  return {
    what: `bringing ${link.name} up`,
    type: rtm.newLink,
    flags: 0,
    payload: withAttributes(linkHeader({ up: true }), [
      text(ifla.name, link.name),
      mac(link.mac),
      u32(ifla.mtu, link.mtu),
    ]),
  };
}

/** For a link whose settings are right already. */
export function setUp(index: number): NetlinkRequest {
  return {
    what: 'bringing the interface up',
    type: rtm.newLink,
    flags: 0,
    payload: linkHeader({ index, up: true }),
  };
}

export interface VethPair {
  hostName: string;
  /** Interface index of the bridge that the host's end joins. */
  masterIndex: number;
  peerName: string;
  peerMac: string;
  /** Descriptor of the network namespace that the peer is made in. */
  peerNetnsFd: number;
  mtu: number;
}

/** Both ends in one request, the host's in the bridge and up; the peer can't be, while the other is still being made. */
export function makeVeth(pair: VethPair): NetlinkRequest {
  const peer = withAttributes(linkHeader(), [
    text(ifla.name, pair.peerName),
    mac(pair.peerMac),
    u32(ifla.mtu, pair.mtu),
    u32(ifla.netnsFd, pair.peerNetnsFd),
  ]);
  return {
    what: `making the veth pair ${pair.hostName} and ${pair.peerName}`,
    type: rtm.newLink,
    flags: make,
    payload: withAttributes(linkHeader({ up: true }), [
      text(ifla.name, pair.hostName),
      u32(ifla.mtu, pair.mtu),
      u32(ifla.master, pair.masterIndex),
      {
        type: ifla.linkInfo,
        value: [
          text(linkInfo.kind, 'veth'),
          { type: linkInfo.data, value: [{ type: vethPeer, value: peer }] },
        ],
      },
    ]),
  };
}

/** Lets a bridge port send a frame back out where it came in: a pod that reaches itself through its host port. */
export function hairpin(name: string): NetlinkRequest {
  return {
    what: `switching hairpin mode of ${name} on`,
    type: rtm.newLink,
    flags: 0,
    payload: withAttributes(linkHeader(), [
      text(ifla.name, name),
      {
        type: ifla.linkInfo,
        value: [
          text(linkInfo.slaveKind, 'bridge'),
          { type: linkInfo.slaveData, value: [u8(bridgePortHairpin, 1)] },
        ],
      },
    ]),
  };
}

export function removeLink(name: string): NetlinkRequest {
  return {
    what: `removing ${name}`,
    type: rtm.delLink,
    flags: 0,
    payload: withAttributes(linkHeader(), [text(ifla.name, name)]),
  };
}

export const listLinks: NetlinkRequest = {
  what: 'listing links',
  type: rtm.getLink,
  flags: messageFlag.dump,
  payload: withAttributes(linkHeader(), [u32(ifla.extMask, skipStatistics)]),
};

/** Reads RTM_NEWLINK messages: masters come as indexes and are given their names. */
export function decodeLinks(payloads: readonly Buffer[]): LinkEntry[] {
  const found = payloads.map((payload) => {
    const attributes = decodeAttributes(payload.subarray(headerBytes));
    const info = attributes.get(ifla.linkInfo);
    const kind = info === undefined ? undefined : decodeAttributes(info).get(linkInfo.kind);
    return {
      name: readText(attributes.get(ifla.name) ?? Buffer.alloc(0)),
      index: payload.readInt32LE(4),
      kind: kind === undefined ? '' : readText(kind),
      master: attributes.get(ifla.master)?.readUInt32LE(),
    };
  });
  const names = new Map(found.map(({ index, name }) => [index, name]));
  return found.map(({ master, ...link }) => {
    const name = master === undefined ? undefined : names.get(master);
    return name === undefined ? link : { ...link, master: name };
  });
}
