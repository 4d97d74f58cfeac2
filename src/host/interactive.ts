import fs from 'node:fs';
import net from 'node:net';
import type {
  InteractiveOptions,
  InteractiveProcess,
  InteractiveProcesses,
} from '../ports/interactive-processes.js';
import { ChildReaper } from './child-reaper.js';
import { keepFreedMemory } from './freed-memory.js';
import { closeFd } from './libc.js';
import { openRoomyPipe, spawn } from './posix-spawn.js';
import type { Child } from './posix-spawn.js';
import { childrenOf } from './process-identity.js';
import { killTree } from './process-tree.js';
import { openPseudoTerminal, setTerminalSize, setTerminalSizeOf } from './pseudo-terminal.js';
import { TerminalInput, TerminalOutput } from './terminal-streams.js';

/** Processes with live streams: pipes, or a pseudo-terminal of their own. */
export function createInteractiveProcesses(): InteractiveProcesses {
  const reaper = new ChildReaper();
  return {
    start: (options) =>
      options.terminal === undefined ? overPipes(reaper, options) : overTerminal(reaper, options),
  };
}

async function overPipes(
  reaper: ChildReaper,
  { argv, env, stdin }: InteractiveOptions,
): Promise<InteractiveProcess> {
  const input = stdin ? openRoomyPipe() : undefined;
  const [out, err] = [openRoomyPipe(), openRoomyPipe()];
  const inputFd = input?.readFd ?? fs.openSync('/dev/null', 'r');
  let child: Child;
  try {
    child = await spawn({ argv, env, fds: [inputFd, out.writeFd, err.writeFd] });
  } catch (thrown) {
    for (const fd of [input?.writeFd, out.readFd, err.readFd]) if (fd !== undefined) closeFd(fd);
    throw thrown;
  } finally {
    [inputFd, out.writeFd, err.writeFd].forEach(closeFd);
  }
  const writer = input && new net.Socket({ fd: input.writeFd, readable: false, writable: true });
  // A process may close its stdin early: what was still to come has nowhere to go.
  writer?.on('error', () => writer.destroy());
  const stdout = new net.Socket({ fd: out.readFd, readable: true, writable: false });
  const stderr = new net.Socket({ fd: err.readFd, readable: true, writable: false });
  stdout.once('close', keepFreedMemory());
  const exited = reaper.ended(child);
  return {
    stdin: writer,
    stdout,
    stderr,
    exited,
    resize: () => undefined,
    kill: () => {
      void killUnlessEnded(child).finally(() => {
        for (const stream of [writer, stdout, stderr]) stream?.destroy();
      });
    },
  };
}

async function overTerminal(
  reaper: ChildReaper,
  { argv, env, terminal }: InteractiveOptions,
): Promise<InteractiveProcess> {
  const { masterFd, slavePath } = openPseudoTerminal({ columns: 80, rows: 24, relay: false, ...terminal });
  // Held open: libuv takes a hang-up for the end, and would drop what the kernel still holds of the output.
  const slaveFd = fs.openSync(slavePath, fs.constants.O_RDWR | fs.constants.O_NOCTTY);
  let child: Child;
  try {
    child = await spawn({ argv, env, fds: [], terminal: slavePath });
  } catch (thrown) {
    [masterFd, slaveFd].forEach(closeFd);
    throw thrown;
  }
  const master = new TerminalOutput(masterFd);
  master.once('close', () => closeFd(slaveFd));
  const exited = reaper.ended(child);
  void exited.then(() => master.finish());
  return {
    stdin: new TerminalInput(masterFd, master),
    stdout: master,
    stderr: undefined,
    exited,
    resize: (size) => {
      if (master.destroyed) return;
      if (terminal?.relay === true) for (const pid of childrenOf(child.pid)) setTerminalSizeOf(pid, size);
      setTerminalSize(masterFd, size);
    },
    kill: () => {
      // A terminal that is closed first would end it by SIGHUP.
      void killUnlessEnded(child).finally(() => master.destroy());
    },
  };
}

/** What a process that has ended left running is none of its caller's concern. */
async function killUnlessEnded(child: Child): Promise<void> {
  if (!child.reaped) await killTree(child);
}
