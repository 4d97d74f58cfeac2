import { NodeletError } from '../../../src/base/errors.js';
import type { BridgeSpec, LinkEntry, VethSpec } from '../../../src/ports/links.js';

interface SimLink extends LinkEntry {
  addresses: readonly string[];
  /** The other end of a veth. */
  peer?: SimLink;
}

interface NetNamespace {
  links: Map<string, SimLink>;
}

export const hostNetNs = 0;

const exists = (name: string) => new NodeletError('tool-failed', `RTNETLINK answers: File exists (${name})`);

/** Network namespaces and the links in them. A namespace lives while it is pinned or a process is in it. */
export class NetStack {
  private readonly namespaces = new Map<number, NetNamespace>([[hostNetNs, { links: new Map() }]]);
  private serial = hostNetNs;
  private linkIndex = 1;

  newNamespace(): number {
    this.namespaces.set(++this.serial, { links: new Map() });
    return this.serial;
  }

  count(): number {
    return this.namespaces.size;
  }

  /** Ends each namespace that nothing holds, and with it the links in it and their peers. */
  collect(isHeld: (id: number) => boolean): void {
    for (const [id, { links }] of this.namespaces) {
      if (id === hostNetNs || isHeld(id)) continue;
      for (const link of links.values()) this.unlink(link);
      this.namespaces.delete(id);
    }
  }

  links(id: number = hostNetNs): SimLink[] {
    return [...(this.namespaces.get(id)?.links.values() ?? [])];
  }

  private add(id: number, link: Omit<SimLink, 'index'>): SimLink {
    const links = this.namespaces.get(id)?.links;
    if (links === undefined) throw new NodeletError('tool-failed', 'no such network namespace');
    if (links.has(link.name)) throw exists(link.name);
    const made = { ...link, index: ++this.linkIndex };
    links.set(link.name, made);
    return made;
  }

  private unlink(link: SimLink): void {
    for (const { links } of this.namespaces.values()) {
      for (const [name, other] of links) if (other === link || other === link.peer) links.delete(name);
    }
  }

  ensureBridge({ name, addresses }: BridgeSpec): void {
    const there = this.namespaces.get(hostNetNs)?.links.get(name);
    if (there === undefined) this.add(hostNetNs, { name, kind: 'bridge', addresses: [...addresses] });
    else if (there.kind !== 'bridge')
      throw new NodeletError('exists', `${name} exists and is no bridge`, { field: 'network.bridge' });
    else there.addresses = [...addresses];
  }

  /** The pair alone, both ends down and without addresses: the first step of a veth. */
  addPair({ hostName, peerName }: VethSpec, netNs: number): void {
    const end = this.add(hostNetNs, { name: hostName, kind: 'veth', addresses: [] });
    try {
      end.peer = this.add(netNs, { name: peerName, kind: 'veth', addresses: [] });
    } catch (thrown) {
      this.unlink(end);
      throw thrown;
    }
    end.peer.peer = end;
  }

  configurePair({ hostName, bridge, addresses }: VethSpec): void {
    const end = this.namespaces.get(hostNetNs)?.links.get(hostName);
    if (end?.peer === undefined || !this.links().some(({ name }) => name === bridge)) {
      throw new NodeletError('tool-failed', `Cannot find device "${end === undefined ? hostName : bridge}"`);
    }
    end.master = bridge;
    end.peer.addresses = [...addresses];
  }

  remove(name: string): void {
    const link = this.namespaces.get(hostNetNs)?.links.get(name);
    if (link === undefined) return;
    for (const port of this.links()) if (port.master === name) delete port.master;
    this.unlink(link);
  }
}
