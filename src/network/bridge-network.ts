import { createHash } from 'node:crypto';
import type { Log } from '../base/call-context.js';
import { NodeletError, isKind } from '../base/errors.js';
import { KeyedQueue } from '../base/keyed-queue.js';
import { UndoStack } from '../base/undo-stack.js';
import type { Host } from '../ports/host.js';
import type { NetworkConfigSection } from '../spec/config/node-config.js';
import { elementsScript, portsClash, tableScript } from './nft-script.js';
import type { AttachRequest, NetworkAttachment, PodNetwork, PortMapping } from './pod-network.js';
import { PodRanges, podCidr, refuseOverlap } from './pod-ranges.js';
import { addressText, gatewayOf, nextFree, parseSubnet, subnetText } from './subnet.js';
import { uplinkMtu } from './uplink-mtu.js';

interface AttachmentRecord extends NetworkAttachment {
  ports: PortMapping[];
  /** The range that its address is of; absent in records of versions that knew only the configured one. */
  range?: string;
  /** False from the durable intent until every effect is done: what a crash left so is made anew. */
  made: boolean;
}

export interface PodNetworkParts extends Pick<
  Host,
  'links' | 'firewall' | 'sysctls' | 'hostPorts' | 'store' | 'files'
> {
  config: NetworkConfigSection;
  log: Log;
}

const linkPrefix = 'nl';

/** The built-in bridge network. Each attachment's record is durable before its first effect and goes after its last undo. */
export function createPodNetwork(parts: PodNetworkParts): PodNetwork {
  const { config, links, firewall, sysctls, hostPorts, store, files } = parts;
  const ranges = new PodRanges(store, config.subnet);
  /** One for all pods of this run, whatever becomes of the uplink. */
  let measured: Promise<number> | undefined;
  const mtu = async () => (config.mtu === 0 ? (measured ??= uplinkMtu(files)) : config.mtu);
  const records = store.table<AttachmentRecord>('network-attachments');
  /** Offset of the address given last: durable, so that a freed one rests even over a restart. */
  const cursor = store.table<number>('network-cursor');
  const queue = new KeyedQueue<'addresses' | 'table'>();
  /** One writer per sandbox: a second attach must not undo what the first has made. */
  const sandboxes = new KeyedQueue<string>();
  let started = false;

  const published = (record: AttachmentRecord) =>
    record.ports.map((port) => ({ ...port, ip: record.ips[0] ?? '' }));

  const heldRanges = (leaving?: string) =>
    records
      .entries()
      .filter(([id]) => id !== leaving)
      .map(([, { range }]) => range);

  const ensureBridge = async (leaving?: string) =>
    links.ensureBridge({
      name: config.bridge,
      mac: macOf(createHash('sha256').update(config.bridge).digest('hex')),
      addresses: ranges.inUse(heldRanges(leaving)).map((range) => `${gatewayOf(range)}/${range.prefix}`),
      mtu: await mtu(),
    });

  const writeTable = (leaving?: string) =>
    firewall.apply(
      tableScript({
        table: config.table,
        bridge: config.bridge,
        subnets: ranges.inUse(heldRanges(leaving)).map(subnetText),
        ports: records
          .entries()
          .filter(([id]) => id !== leaving)
          .flatMap(([, record]) => published(record)),
      }),
    );

  /** Edits the table; where it is not as the records say, it is written anew from them. */
  const changePorts = (verb: 'add' | 'delete', record: AttachmentRecord, leaving?: string) =>
    queue.run('table', async () => {
      if (record.ports.length === 0) return;
      const edit = elementsScript({ verb, table: config.table, ports: published(record) });
      await firewall.apply(edit).catch(async (thrown: unknown) => {
        if (!isKind(thrown, 'tool-failed')) throw thrown;
        parts.log.info({ err: thrown.message }, 'the nft table is not as it should be: writing it anew');
        await writeTable(leaving);
      });
    });

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
    // The record keeps its ports until the rules are gone, so that a failed detach can be repeated whole.
    await changePorts('delete', record, id);
    if ((record.range ?? config.subnet) !== ranges.text) {
      await queue.run('addresses', () => applyRanges(id));
    }
    await records.remove(id);
  };

  /** Gives the bridge an address in each range that is in use, and the table its rules; those of other ranges go. */
  const applyRanges = async (leaving?: string): Promise<void> => {
    await ensureBridge(leaving);
    await queue.run('table', () => writeTable(leaving));
  };

  /** Called inside the queue of addresses, so that no pod gets one whose gateway isn't there yet. */
  const assignRange = async (wanted: string): Promise<void> => {
    const before = ranges.assignedText;
    refuseOverlap(podCidr(wanted), ranges.held(heldRanges()));
    try {
      await ranges.assign(wanted);
      await applyRanges();
    } catch (thrown) {
      await ranges.assign(before);
      throw thrown;
    }
    await store.flushed();
  };

  const attach = async ({ sandboxId, netnsPath, ports }: AttachRequest): Promise<NetworkAttachment> => {
    const known = records.get(sandboxId);
    if (known?.made === true) return known;
    if (known !== undefined) await detach(sandboxId);
    const hash = idHash(sandboxId);
    const record = await queue.run('addresses', async () => {
      clashWith(ports, sandboxId);
      const taken = new Set(records.entries().flatMap(([, other]) => other.ips));
      const subnet = ranges.current;
      const offset = nextFree(subnet, taken, cursor.get('last') ?? 1);
      await cursor.put('last', offset);
      const intent: AttachmentRecord = {
        ips: [addressText(subnet.base + offset)],
        mac: macOf(hash),
        hostInterface: linkName(hash),
        ports: [...ports],
        range: subnetText(subnet),
        made: false,
      };
      await records.put(sandboxId, intent);
      return intent;
    });
    const range = parseSubnet(record.range ?? config.subnet, 'network.subnet');
    const undo = new UndoStack();
    undo.push('network attachment', () => detach(sandboxId));
    try {
      await links.createVeth({
        hostName: record.hostInterface,
        bridge: config.bridge,
        netnsPath,
        peerName: 'eth0',
        mac: record.mac,
        mtu: await mtu(),
        addresses: record.ips.map((ip) => `${ip}/${range.prefix}`),
        gateways: [gatewayOf(range)],
      });
      await changePorts('add', record);
      await records.put(sandboxId, { ...record, made: true });
      return { ips: record.ips, mac: record.mac, hostInterface: record.hostInterface };
    } catch (thrown) {
      for (const failure of await undo.unwind()) {
        parts.log.error({ sandbox: sandboxId, err: failure.error.message }, 'undo of the attachment failed');
      }
      throw thrown;
    }
  };

  return {
    start: async () => {
      await sysctls.write('net.ipv4.ip_forward', '1');
      await ensureBridge();
      // Without it the kernel drops packets from 127.0.0.1 that DNAT sends to a pod.
      await sysctls.write(`net.ipv4.conf.${config.bridge}.route_localnet`, '1');
      await queue.run('table', () => writeTable());
      started = true;
    },
    checkPorts: async (ports) => {
      clashWith(ports, '');
      for (const [index, port] of ports.entries()) {
        if (port.hostIp.includes(':') && port.hostIp !== '::') {
          throw new NodeletError(
            'unsupported',
            `host ports on an IPv6 address (${port.hostIp}) are not supported yet`,
            {
              field: 'config.port_mappings.host_ip',
              remedy: 'leave it out, or name an IPv4 address',
            },
          );
        }
        if (ports.slice(0, index).some((other) => portsClash(port, other))) {
          throw portTaken(port, 'this pod itself, a second time');
        }
        if (await hostPorts.isBound(port)) throw portTaken(port, 'another program on this machine');
      }
    },
    attach: (request) => sandboxes.run(request.sandboxId, () => attach(request)),
    detach: (id) => sandboxes.run(id, () => detach(id)),
    assignRange: async (cidr) => {
      if (cidr === '') return;
      const wanted = subnetText(podCidr(cidr));
      await queue.run('addresses', () => assignRange(wanted));
    },
    sweep: async (live) => {
      for (const [id] of records.entries()) {
        if (!live.has(id)) await sandboxes.run(id, () => detach(id));
      }
      // Links first, records second: one that is attached meanwhile has its record by then.
      const ports = (await links.list()).filter((link) => link.master === config.bridge);
      const known = new Set(records.entries().map(([, record]) => record.hostInterface));
      for (const { name } of ports) {
        if (name.startsWith(linkPrefix) && !known.has(name)) await links.remove(name);
      }
    },
    tearDown: async () => {
      for (const [id] of records.entries()) await sandboxes.run(id, () => detach(id));
      await ranges.assign(undefined);
      await links.remove(config.bridge);
      await firewall.apply(`table ip ${config.table} {}\ndelete table ip ${config.table}\n`);
      started = false;
    },
    hostInterface: (id) => linkName(idHash(id)),
    range: () => ranges.text,
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

const idHash = (sandboxId: string): string => createHash('sha256').update(sandboxId).digest('hex');
/** The kernel takes no more than 15 characters. */
const linkName = (hash: string): string => `${linkPrefix}${hash.slice(0, 12)}`;

/** A locally administered unicast address from a hash: the same for the same thing, always. */
function macOf(hash: string): string {
  return `02:${(hash.slice(0, 10).match(/../g) ?? []).join(':')}`;
}
