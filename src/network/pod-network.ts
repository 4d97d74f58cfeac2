import type { CallContext } from '../base/call-context.js';
import type { SandboxId } from '../base/ids.js';

export interface PortMapping {
  protocol: 'TCP' | 'UDP' | 'SCTP';
  containerPort: number;
  hostPort: number;
  /** Empty: every local address. */
  hostIp: string;
}

export interface AttachRequest {
  sandboxId: SandboxId;
  netnsPath: string;
  ports: readonly PortMapping[];
}

/** What a pod got; plain data, kept in the sandbox's record. */
export interface NetworkAttachment {
  /** Addresses without prefix, the primary one first. */
  ips: string[];
  mac: string;
  hostInterface: string;
}

/** The bridge network of pods: public face of the network room. Its durable intents are its own records, keyed by sandbox id. */
export interface PodNetwork {
  /** Bridge, forwarding, nft table: brought to the wanted state, whatever was there before. Rules of live attachments are restored. */
  start(): Promise<void>;
  /** Fails with `exists`, naming the port and the pod that holds it (or that another program listens), before anything is made. */
  checkPorts(ports: readonly PortMapping[], ctx: CallContext): Promise<void>;
  /** Address, veth, routes, host ports. On failure everything is undone. Idempotent per sandbox. */
  attach(request: AttachRequest, ctx: CallContext): Promise<NetworkAttachment>;
  /** Takes back all of it; a sandbox that has nothing is success. The namespace itself is the caller's. */
  detach(sandboxId: SandboxId): Promise<void>;
  /**
   * New pods get their addresses from this range (CRI's pod_cidr) from now on, also after a restart; empty: no change. Attached
   * pods keep theirs. `invalid` or `unsupported` for what is no IPv4 range of at least four addresses, `wrong-state` where it
   * overlaps another that pods still have.
   */
  assignRange(cidr: string): Promise<void>;
  /** Detaches everything that belongs to no live sandbox: records, veths, rules, addresses. */
  sweep(live: ReadonlySet<string>): Promise<void>;
  /** Removes bridge, table and every attachment (`nodelet` is leaving the machine). */
  tearDown(): Promise<void>;
  /** Name of the host's end of the link that an attached pod has. */
  hostInterface(sandboxId: SandboxId): string;
  /** The range that new pods get addresses from, e.g. `10.88.0.0/16`. */
  range(): string;
  /** Whether pods can be attached, for CRI's NetworkReady. */
  ready(): { ready: boolean; reason: string; message: string };
}
