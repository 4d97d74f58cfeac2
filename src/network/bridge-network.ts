import { createHash } from 'node:crypto';
import type { Log } from '../base/call-context.js';
import { NodeletError } from '../base/errors.js';
import { KeyedQueue } from '../base/keyed-queue.js';
import { UndoStack } from '../base/undo-stack.js';
import type { Host } from '../ports/host.js';
import type { NetworkConfigSection } from '../spec/node-config.js';
import { portsClash, tableScript } from './nft-script.js';
import type { NetworkAttachment, PodNetwork, PortMapping } from './pod-network.js';
import { addressText, nextFree, parseSubnet } from './subnet.js';

interface AttachmentRecord extends NetworkAttachment {
  ports: PortMapping[];
}

export interface PodNetworkParts extends Pick<
  Host,
  'links' | 'firewall' | 'sysctls' | 'hostPorts' | 'store'
> {
  config: NetworkConfigSection;
  log: Log;
}

const defaultMtu = 1500;

/** The built-in bridge network. Each attachment's record is durable before its first effect and goes after its last undo. */
export function createPodNetwork(parts: PodNetworkParts): PodNetwork {
  const { config, links, firewall, sysctls, hostPorts, store } = parts;
  const subnet = parseSubnet(config.subnet);
  const gateway = addressText(subnet.base + 1);
  const mtu = config.mtu === 0 ? defaultMtu : config.mtu;
  const records = store.table<AttachmentRecord>('network-attachments');
  const queue = new KeyedQueue<'addresses' | 'table'>();
  let lastOffset = 1;
  let started = false;

  const writeTable = () =>
    queue.run('table', () =>
      firewall.apply(
        tableScript({
          table: config.table,
          bridge: config.bridge,
          subnet: config.subnet,
          ports: records
            .entries()
            .flatMap(([, record]) => record.ports.map((port) => ({ ...port, ip: record.ips[0] ?? '' }))),
        }),
      ),
    );

  const clashWith = (ports: readonly PortMapping[], except: string) => {
    for (const [holder, record] of records.entries()) {
      if (holder === except) continue;
      const taken = ports.find((port) => record.ports.some((other) => portsClash(port, other)));
      if (taken !== undefined) throw portTaken(taken, `sandbox ${holder}`);
    }
  };

  const detach = async (id: string): Promise<void> => {
    const record = records.get(id);
    if (record === undefined) return;
    await links.remove(record.hostInterface);
    if (record.ports.length > 0) {
      await records.put(id, { ...record, ports: [] });
      await writeTable();
    }
    await records.remove(id);
  };

  return {
    start: async () => {
      await sysctls.write('net.ipv4.ip_forward', '1');
      await links.ensureBridge({ name: config.bridge, addresses: [`${gateway}/${subnet.prefix}`], mtu });
      // Without it the kernel drops packets from 127.0.0.1 that DNAT sends to a pod.
      await sysctls.write(`net.ipv4.conf.${config.bridge}.route_localnet`, '1');
      await writeTable();
      started = true;
    },
    checkPorts: async (ports) => {
      clashWith(ports, '');
      for (const port of ports) {
        if (await hostPorts.isBound(port)) throw portTaken(port, 'another program on this machine');
      }
    },
    attach: async ({ sandboxId, netnsPath, ports }) => {
      const known = records.get(sandboxId);
      if (known !== undefined) return known;
      const hash = createHash('sha256').update(sandboxId).digest('hex');
      const record = await queue.run('addresses', async () => {
        clashWith(ports, sandboxId);
        const taken = new Set(records.entries().flatMap(([, other]) => other.ips));
        lastOffset = nextFree(subnet, taken, lastOffset);
        const made: AttachmentRecord = {
          ips: [addressText(subnet.base + lastOffset)],
          mac: `02:${(hash.slice(0, 10).match(/../g) ?? []).join(':')}`,
          hostInterface: `nl${hash.slice(0, 12)}`,
          ports: [...ports],
        };
        await records.put(sandboxId, made);
        return made;
      });
      const undo = new UndoStack();
      undo.push('network attachment', () => detach(sandboxId));
      try {
        await links.createVeth({
          hostName: record.hostInterface,
          bridge: config.bridge,
          netnsPath,
          peerName: 'eth0',
          mac: record.mac,
          mtu,
          addresses: record.ips.map((ip) => `${ip}/${subnet.prefix}`),
          gateways: [gateway],
        });
        if (ports.length > 0) await writeTable();
        return { ips: record.ips, mac: record.mac, hostInterface: record.hostInterface };
      } catch (thrown) {
        for (const failure of await undo.unwind()) {
          parts.log.error(
            { sandbox: sandboxId, err: failure.error.message },
            'undo of the attachment failed',
          );
        }
        throw thrown;
      }
    },
    detach,
    sweep: async (live) => {
      for (const [id] of records.entries()) if (!live.has(id)) await detach(id);
      const known = new Set(records.entries().map(([, record]) => record.hostInterface));
      for (const link of await links.list()) {
        if (link.master === config.bridge && !known.has(link.name)) await links.remove(link.name);
      }
    },
    tearDown: async () => {
      for (const [id] of records.entries()) await detach(id);
      await links.remove(config.bridge);
      await firewall.apply(`table ip ${config.table} {}\ndelete table ip ${config.table}\n`);
      started = false;
    },
    ready: () =>
      started
        ? { ready: true, reason: '', message: '' }
        : { ready: false, reason: 'NetworkNotStarted', message: 'the pod bridge is not up yet' },
  };
}

function portTaken(port: PortMapping, holder: string): NodeletError {
  return new NodeletError('exists', `host port ${port.hostPort}/${port.protocol} is held by ${holder}`, {
    field: 'config.port_mappings.host_port',
    remedy: 'choose another host port, or remove the holder',
  });
}
