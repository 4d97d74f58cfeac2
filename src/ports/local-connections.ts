import type { Duplex } from 'node:stream';

/** A port of a network namespace's own loopback. */
export interface LoopbackPort {
  /** Where the namespace is pinned; undefined for the host's own. */
  netnsPath: string | undefined;
  port: number;
}

/** Connections to what runs on this machine, in its own or in a pod's namespaces. */
export interface LocalConnections {
  /**
   * Connects to 127.0.0.1, then to ::1, as seen from inside a network namespace; both directions end on their own.
   * `unavailable` where nobody listens on either, `not-found` where the namespace is gone.
   */
  toLoopback(target: LoopbackPort): Promise<Duplex>;
  /**
   * Connects to a Unix socket of sequenced packets (SOCK_SEQPACKET), however long its path is. Each chunk that is read
   * is one packet, each that is written becomes one, of at most 16 KiB; ending it tells the other side that nothing
   * more comes. `unavailable` where nobody listens.
   */
  toPackets(path: string): Promise<Duplex>;
}
