import fs from 'node:fs';
import { readFile } from 'node:fs/promises';
import { NodeletError } from '../base/errors.js';
import type { BridgeSpec, LinkEntry, Links, VethSpec } from '../ports/links.js';
import {
  addAddress,
  addDefaultRoute,
  decodeAddress,
  listAddresses,
  removeAddress,
} from './address-messages.js';
import { parseIpPrefix } from './ip-bytes.js';
import { errnoName } from './libc.js';
import {
  bringUp,
  decodeLinks,
  hairpin,
  listLinks,
  makeBridge,
  makeVeth,
  removeLink,
  setUp,
} from './link-messages.js';
import { linkTrafficIn } from './link-traffic.js';
import { NetlinkSocket, throwIfRefused } from './netlink-socket.js';
import { enterNetns, visitNetns } from './netns-visit.js';

/** Without these a new IPv6 address waits one to two seconds for a neighbour to protest. */
const duplicateDetection = ['all', 'default'].map((which) => `/proc/sys/net/ipv6/conf/${which}/accept_dad`);

/** Links over rtnetlink: no process, and the main thread never waits for the kernel's lock on links. */
export function createLinks(): Links {
  return {
    ensureBridge: (spec) => withSocket((socket) => ensureBridge(socket, spec)),
    createVeth: (spec) => withSocket((socket) => createVeth(socket, spec)),
    remove: (name) => withSocket((socket) => remove(socket, name)),
    list: () => withSocket(list),
    traffic: async () => linkTrafficIn(await readFile('/proc/net/dev', 'latin1')),
  };
}

async function withSocket<T>(work: (socket: NetlinkSocket) => Promise<T>): Promise<T> {
  const socket = NetlinkSocket.open();
  try {
    return await work(socket);
  } finally {
    socket.close();
  }
}

async function list(socket: NetlinkSocket): Promise<LinkEntry[]> {
  return decodeLinks(await socket.list(listLinks));
}

async function ensureBridge(socket: NetlinkSocket, spec: BridgeSpec): Promise<void> {
  const there = (await list(socket)).find((link) => link.name === spec.name);
  if (there !== undefined && there.kind !== 'bridge') {
    throw new NodeletError('exists', `${spec.name} exists and is no bridge`, {
      field: 'network.bridge',
      remedy: 'configure another name',
    });
  }
  await socket.mustRequest([...(there === undefined ? [makeBridge(spec)] : []), bringUp(spec)]);
  const index = indexOf(socket, spec.name);
  const wanted = spec.addresses.map(parseIpPrefix);
  const strangers = (await socket.list(listAddresses)).flatMap((payload) => {
    const found = decodeAddress(payload);
    if (found === undefined || found.index !== index || found.linkLocal) return [];
    const isWanted = wanted.some(
      ({ address, prefixBits }) => address.equals(found.address) && prefixBits === found.prefixBits,
    );
    return isWanted ? [] : [removeAddress(found)];
  });
  await socket.mustRequest([...strangers, ...spec.addresses.map((address) => addAddress(address, index))]);
}

async function createVeth(host: NetlinkSocket, spec: VethSpec): Promise<void> {
  const masterIndex = indexOf(host, spec.bridge);
  const netnsFd = fs.openSync(spec.netnsPath, 'r');
  let pod: NetlinkSocket | undefined;
  try {
    pod = visitNetns(
      () => enterNetns(netnsFd),
      () => {
        duplicateDetection.forEach(switchOff);
        return NetlinkSocket.open();
      },
    );
    const { hostName, peerName, mac, mtu } = spec;
    const [made, ...others] = await host.request([
      makeVeth({ hostName, masterIndex, peerName, peerMac: mac, peerNetnsFd: netnsFd, mtu }),
      hairpin(hostName),
    ]);
    // Refused as a whole, so that there is nothing to take back; a link of that name may be another's.
    if (made !== undefined) throwIfRefused(made);
    try {
      others.forEach(throwIfRefused);
      const index = indexOf(pod, peerName);
      await pod.mustRequest([
        setUp(index),
        ...spec.addresses.map((address) => addAddress(address, index)),
        ...spec.gateways.map((gateway) => addDefaultRoute(gateway, index)),
      ]);
    } catch (thrown) {
      await remove(host, hostName);
      throw thrown;
    }
  } finally {
    fs.closeSync(netnsFd);
    pod?.close();
  }
}

async function remove(socket: NetlinkSocket, name: string): Promise<void> {
  const [outcome] = await socket.request([removeLink(name)]);
  if (outcome !== undefined && errnoName(outcome.errno) !== 'ENODEV') throwIfRefused(outcome);
}

function indexOf(socket: NetlinkSocket, name: string): number {
  const index = socket.indexOf(name);
  if (index !== undefined) return index;
  throw new NodeletError('tool-failed', `there is no network link ${name}`);
}

/** A machine without IPv6 has no such setting, and needs none. */
function switchOff(setting: string): void {
  try {
    fs.writeFileSync(setting, '0');
  } catch (thrown) {
    if ((thrown as NodeJS.ErrnoException).code !== 'ENOENT') throw thrown;
  }
}
