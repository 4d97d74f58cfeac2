import type { Duplex } from 'node:stream';
import type { InteractiveProcess, TerminalSize } from '../interactive-processes.js';

/** An exec or an attach that a client has been promised: begun when the client comes to its URL. */
export interface CommandSession {
  /** Which streams the client asked for; the others are closed (stdin) or thrown away (stdout, stderr). */
  stdin: boolean;
  stdout: boolean;
  stderr: boolean;
  tty: boolean;
  /** Starts the command, or attaches; `size` is what the terminal begins with. Killing what it gives lets go of it. */
  start(size: TerminalSize): Promise<InteractiveProcess>;
}

/** A port-forward that a client has been promised. */
export interface ForwardSession {
  /** The ports for clients that can't name them connection by connection (WebSocket without SPDY). */
  ports: readonly number[];
  /** Connects to a port of the pod's own loopback; both directions end on their own. */
  connect(port: number): Promise<Duplex>;
}

/** Hands sessions out as URLs, as CRI's streaming rpcs answer them. */
export interface StreamingSessions {
  /** A URL good for one connection within a minute; `exhausted` while too many wait to be used. */
  offerCommand(kind: 'exec' | 'attach', session: CommandSession): string;
  offerForward(session: ForwardSession): string;
}
