import { NodeletError } from '../base/errors.js';
import type { LinkEntry, Links } from '../ports/links.js';
import type { Processes } from '../ports/processes.js';

interface IpLink {
  ifname: string;
  ifindex: number;
  master?: string;
  linkinfo?: { info_kind?: string };
}

const timeoutMs = 10_000;

/** Links through ip(8): one batch per change. */
export function createLinks(processes: Processes): Links {
  const ip = async (args: string[], stdin?: string, netnsPath?: string): Promise<string> => {
    // `ip -netns` knows only names under /run/netns, not paths.
    const inside = netnsPath === undefined ? [] : ['nsenter', `--net=${netnsPath}`];
    const result = await processes.run({
      argv: [...inside, 'ip', ...args],
      timeoutMs,
      ...(stdin === undefined ? {} : { stdin: Buffer.from(stdin) }),
    });
    if (result.exitCode === 0) return result.stdout.toString('utf8');
    throw new NodeletError('tool-failed', `ip ${args.join(' ')}: ${result.stderr.toString('utf8').trim()}`);
  };
  const batch = (lines: string[]) => ip(['-batch', '-'], `${lines.join('\n')}\n`);
  const list = async (): Promise<LinkEntry[]> => {
    const found = JSON.parse((await ip(['-json', '-details', 'link', 'show'])) || '[]') as IpLink[];
    return found.map(({ ifname, ifindex, master, linkinfo }) => ({
      name: ifname,
      index: ifindex,
      kind: linkinfo?.info_kind ?? '',
      ...(master === undefined ? {} : { master }),
    }));
  };
  return {
    list,
    ensureBridge: async ({ name, mac, addresses, mtu }) => {
      const there = (await list()).find((link) => link.name === name);
      if (there !== undefined && there.kind !== 'bridge') {
        throw new NodeletError('exists', `${name} exists and is no bridge`, {
          field: 'network.bridge',
          remedy: 'configure another name',
        });
      }
      await batch([
        ...(there === undefined ? [`link add ${name} address ${mac} type bridge`] : []),
        ...addresses.map((address) => `addr replace ${address} dev ${name}`),
        `link set ${name} address ${mac} mtu ${mtu} up`,
      ]);
    },
    createVeth: async ({ hostName, bridge, netnsPath, peerName, mac, mtu, addresses, gateways }) => {
      await batch([
        `link add ${hostName} mtu ${mtu} type veth peer name ${peerName} address ${mac} mtu ${mtu} netns ${netnsPath}`,
        `link set ${hostName} master ${bridge} up`,
        `link set ${hostName} type bridge_slave hairpin on`,
      ]);
      const inside = [
        ...addresses.map((address) => `addr add ${address} dev ${peerName} nodad`),
        `link set ${peerName} up`,
        ...gateways.map((gateway) => `route add default via ${gateway}`),
      ];
      await ip(['-batch', '-'], `${inside.join('\n')}\n`, netnsPath);
    },
    remove: async (name) => {
      if ((await list()).some((link) => link.name === name)) await ip(['link', 'delete', name]);
    },
  };
}
