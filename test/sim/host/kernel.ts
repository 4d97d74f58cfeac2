import { NodeletError } from '../../../src/base/errors.js';
import type { Cgroups } from '../../../src/ports/cgroups.js';
import type { Firewall } from '../../../src/ports/firewall.js';
import type { HostPorts } from '../../../src/ports/host-ports.js';
import type { Links } from '../../../src/ports/links.js';
import type { Sysctls } from '../../../src/ports/sysctls.js';
import { hostNetNs } from '../machine/net-stack.js';
import type { Session } from './session.js';

const sigkill = 9;
const noTraffic = { bytes: 0, packets: 0, errors: 0, dropped: 0 };

/** Links of the host, over the machine's network stack. */
export function simLinks(session: Session): Links {
  const { net } = session.machine;
  return {
    ensureBridge: (spec) => session.effect('links.ensureBridge', spec.name, () => net.ensureBridge(spec)),
    createVeth: (spec) =>
      session.effect('links.createVeth', spec.hostName, (cut) => {
        const netNs = session.machine.netNsAt(spec.netnsPath);
        if (netNs === undefined) throw new NodeletError('tool-failed', `no namespace at ${spec.netnsPath}`);
        net.addPair(spec, netNs);
        cut();
        net.configurePair(spec);
      }),
    remove: (name) => session.effect('links.remove', name, () => net.remove(name)),
    list: () =>
      session.effect('links.list', '', () =>
        net.links(hostNetNs).map(({ name, index, kind, master }) => ({
          name,
          index,
          kind,
          ...(master === undefined ? {} : { master }),
        })),
      ),
    traffic: async () =>
      new Map(net.links(hostNetNs).map(({ name }) => [name, { received: noTraffic, sent: noTraffic }])),
  };
}

export function simFirewall(session: Session): Firewall {
  const { nft } = session.machine;
  return {
    apply: (script) => session.effect('firewall.apply', script.split('\n')[0] ?? '', () => nft.apply(script)),
    dump: (family, table) =>
      session.effect('firewall.dump', `${family} ${table}`, () => nft.dump(family, table)),
  };
}

export function simSysctls(session: Session): Sysctls {
  const { sysctls } = session.machine;
  return {
    read: (name) => session.effect('sysctls.read', name, () => sysctls.get(name)),
    write: (name, value) => session.effect('sysctls.write', name, () => void sysctls.set(name, value)),
  };
}

export function simHostPorts(session: Session): HostPorts {
  const { boundPorts } = session.machine;
  return {
    isBound: ({ protocol, hostPort }) =>
      session.effect('hostPorts.isBound', `${protocol} ${hostPort}`, () =>
        boundPorts.has(`${protocol} ${hostPort}`),
      ),
  };
}

/** Control groups of a machine with pure cgroup v2. */
export function simCgroups(session: Session): Cgroups {
  const { cgroups, processes } = session.machine;
  return {
    info: () =>
      session.effect('cgroups.info', '', () => ({
        version: 'v2' as const,
        strandedControllers: [],
        controllers: ['cpu', 'memory', 'pids'],
      })),
    create: (path) => session.effect('cgroups.create', path, () => cgroups.create(path)),
    update: (path, limits) =>
      session.effect('cgroups.update', path, () => {
        if (!cgroups.has(path)) throw new NodeletError('not-found', `there is no cgroup ${path}`);
        cgroups.limit(path, limits);
      }),
    remove: (path) =>
      session.effect('cgroups.remove', path, (cut) => {
        for (const child of cgroups.children(path)) {
          cgroups.remove(`${path}/${child}`);
          cut();
        }
        cgroups.remove(path);
      }),
    attach: (path, pid) => session.effect('cgroups.attach', path, () => cgroups.attach(path, pid)),
    kill: (path) =>
      session.effect('cgroups.kill', path, (cut) => {
        for (const process of processes.inCgroup(path)) {
          processes.signal(process, sigkill);
          cut();
        }
        return true;
      }),
    thaw: (path) => session.effect('cgroups.thaw', path, () => undefined),
    pids: (path) =>
      session.effect('cgroups.pids', path, () => processes.inCgroup(path).map(({ pid }) => pid)),
    children: (path) => session.effect('cgroups.children', path, () => cgroups.children(path)),
    oomKills: (path) => session.effect('cgroups.oomKills', path, () => 0),
    mountV1Controller: (controller) =>
      session.effect('cgroups.mountV1Controller', controller, () => {
        throw new NodeletError('tool-failed', `this machine has no v1 hierarchy for ${controller}`);
      }),
  };
}
