import { followSize, rawMode } from './local-terminal.js';
import type { CliSurface } from './pod-commands.js';
import type { SessionEnd } from './stream-session.js';
import { runSession } from './stream-session.js';

/** Flags of exec and attach about the streams of this side. */
export interface StreamFlags {
  stdin?: boolean;
  tty?: boolean;
  quiet?: boolean;
}

/** As kubectl does: a terminal only where this side has one to offer, else the session goes without. */
export function offersTerminal({ terminal, err }: CliSurface, { stdin, tty, quiet }: StreamFlags): boolean {
  if (tty !== true) return false;
  const say = (text: string): void => (quiet === true ? undefined : err(text));
  if (stdin !== true) {
    say('-t without -i has nothing to type with: going on without a terminal\n');
    return false;
  }
  if (terminal.stdin.isTTY) return true;
  say('Unable to use a TTY - input is not a terminal\n');
  return false;
}

/** What a session joins. */
export interface SessionRequest {
  /** Path of the pod's subresource. */
  path: string;
  container: string | undefined;
  command?: readonly string[];
  stdin: boolean;
  /** Whether the other side is a terminal. */
  tty: boolean;
  /** Whether this side's terminal is given to the other one, raw and sized alike. */
  raw: boolean;
  detachKeys?: Buffer;
}

/** Joins this process' streams to those of a container, to the end of either. This side's terminal is put back after it. */
export async function joinSession(surface: CliSurface, request: SessionRequest): Promise<SessionEnd> {
  const { stdin, stdout, stderr } = surface.terminal;
  const { path, raw } = request;
  const restore = raw ? rawMode(stdin, await surface.terminalModes()) : () => undefined;
  // Output may go to a file while somebody looks at stderr.
  const screen = [stdout, stderr].find((stream) => stream.isTTY);
  try {
    return await runSession(
      { socketPath: surface.apiSocket(), path: `${path}?${queryOf(request)}` },
      {
        stdin: request.stdin ? stdin : undefined,
        stdout,
        stderr,
        detachKeys: raw ? (request.detachKeys ?? Buffer.alloc(0)) : Buffer.alloc(0),
        ...(raw && screen !== undefined ? { followSize: (changed) => followSize(screen, changed) } : {}),
      },
    );
  } finally {
    restore();
  }
}

function queryOf({ container, command = [], stdin, tty }: SessionRequest): string {
  const query = new URLSearchParams();
  if (container !== undefined) query.set('container', container);
  for (const word of command) query.append('command', word);
  for (const [name, on] of Object.entries({ stdin, stdout: true, stderr: !tty, tty }))
    if (on) query.set(name, 'true');
  return query.toString();
}
