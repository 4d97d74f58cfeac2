export interface BridgeSpec {
  name: string;
  /** Of its own: otherwise a bridge takes the lowest of its ports', which changes as pods come and go. */
  mac: string;
  /** Address with prefix, e.g. `10.88.0.1/16`. */
  addresses: readonly string[];
  mtu: number;
}

export interface VethSpec {
  /** Interface name on the host, at most 15 bytes. */
  hostName: string;
  bridge: string;
  /** Path of the pinned network namespace that gets the peer. */
  netnsPath: string;
  /** Name of the peer inside the namespace, e.g. `eth0`. */
  peerName: string;
  mac: string;
  mtu: number;
  /** Addresses with prefix for the peer. Duplicate-address detection is off. */
  addresses: readonly string[];
  /** Default gateways, one for each family used. */
  gateways: readonly string[];
}

export interface LinkEntry {
  name: string;
  index: number;
  kind: string;
  /** Name of the bridge it is a port of. */
  master?: string;
}

/** Traffic of one link since it was made, as the link itself sees it. */
export interface LinkTraffic {
  received: TrafficCounters;
  sent: TrafficCounters;
}

export interface TrafficCounters {
  bytes: number;
  packets: number;
  errors: number;
  dropped: number;
}

/** Network links of the host over rtnetlink. */
export interface Links {
  /** Makes the bridge with its addresses and brings it up; an existing one is brought to the spec. */
  ensureBridge(spec: BridgeSpec): Promise<void>;
  /** Makes a veth pair, one end in the bridge with hairpin on, the other configured in the namespace with a default route. */
  createVeth(spec: VethSpec): Promise<void>;
  /** Removes a link (its peer goes too); gone is success. */
  remove(name: string): Promise<void>;
  list(): Promise<LinkEntry[]>;
  /** Of every link of the host, by its name. */
  traffic(): Promise<Map<string, LinkTraffic>>;
}
