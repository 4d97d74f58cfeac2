import fs from 'node:fs/promises';
import type { HostPorts } from '../ports/host-ports.js';
import { hexAddress, isTaken, parseSctpEndpoints, parseSockets } from './bound-ports.js';

/** Bound ports from /proc/net, proc(5). A protocol that the kernel doesn't have has no ports that are bound. */
export function createHostPorts(): HostPorts {
  const read = (name: string) => fs.readFile(`/proc/net/${name}`, 'utf8').catch(() => '');
  return {
    isBound: async ({ protocol, hostIp, hostPort }) => {
      const wanted = { port: hostPort, address: hexAddress(hostIp) };
      if (protocol === 'SCTP') return isTaken(parseSctpEndpoints(await read('sctp/eps')), wanted);
      const name = protocol.toLowerCase();
      const texts = await Promise.all([read(name), read(`${name}6`)]);
      return texts.some((text) => isTaken(parseSockets(text, protocol), wanted));
    },
  };
}
