import fs from 'node:fs';
import net from 'node:net';
import path from 'node:path';
import { NodeletError, isKind } from '../base/errors.js';
import type { LocalConnections, LoopbackPort } from '../ports/local-connections.js';
import { keepFreedMemory } from './freed-memory.js';
import { enterNetns, visitNetns } from './netns-visit.js';
import { PacketStream } from './packet-stream.js';
import { connectSocket, family, kind, loopbackAddress, openSocket, unixAddress } from './raw-socket.js';

/** Connections within this machine. */
export function createLocalConnections(): LocalConnections {
  return {
    toLoopback: async (target) => {
      try {
        return await connectLoopback(family.inet, target);
      } catch (thrown) {
        if (!isKind(thrown, 'unavailable')) throw thrown;
        // What listens on IPv6 alone; where nobody does, IPv4's refusal tells more.
        return await connectLoopback(family.inet6, target).catch(() => Promise.reject(thrown));
      }
    },
    toPackets: async (file) => {
      // The address of a socket holds 107 bytes of path: the folder's descriptor stands for the longer part.
      const dirFd = openFolder(path.dirname(file));
      try {
        const fd = openSocket(family.unix, kind.packets);
        await connectSocket(fd, unixAddress(`/proc/self/fd/${dirFd}/${path.basename(file)}`), file);
        return new PacketStream(fd);
      } finally {
        fs.closeSync(dirFd);
      }
    },
  };
}

/** A socket belongs for good to the namespace that it was opened in: connecting needs no visit. */
async function connectLoopback(domain: 2 | 10, { netnsPath, port }: LoopbackPort): Promise<net.Socket> {
  const fd = netnsPath === undefined ? openSocket(domain, kind.stream) : openSocketIn(netnsPath, domain);
  await connectSocket(fd, loopbackAddress(domain, port), `port ${port}`);
  const socket = new net.Socket({ fd, allowHalfOpen: true, readable: true, writable: true });
  return socket.once('close', keepFreedMemory());
}

function openSocketIn(netnsPath: string, domain: number): number {
  let netns: number;
  try {
    netns = fs.openSync(netnsPath, 'r');
  } catch (thrown) {
    throw new NodeletError('not-found', `there is no network namespace at ${netnsPath}`, { cause: thrown });
  }
  try {
    return visitNetns(
      () => enterNetns(netns),
      () => openSocket(domain, kind.stream),
    );
  } finally {
    fs.closeSync(netns);
  }
}

function openFolder(dir: string): number {
  try {
    return fs.openSync(dir, fs.constants.O_RDONLY | fs.constants.O_DIRECTORY);
  } catch (thrown) {
    throw new NodeletError('unavailable', `there is no folder ${dir}`, { cause: thrown });
  }
}
