import fs from 'node:fs';
import net from 'node:net';
import type { Readable } from 'node:stream';
import type {
  InteractiveOptions,
  InteractiveProcess,
  InteractiveProcesses,
} from '../ports/interactive-processes.js';
import { closeFd } from './libc.js';
import { childrenOf, killTree } from './process-tree.js';
import { openPipe, reapIfEnded, spawn } from './processes.js';
import { openPseudoTerminal, setTerminalSize, setTerminalSizeOf } from './pseudo-terminal.js';
import { TerminalInput, TerminalOutput } from './terminal-streams.js';

/** How often a running process is asked for; once its output has ended, it is moments away from its own end. */
const runningPollMs = 25;
const endingPollMs = 2;

/** Processes with live streams: pipes, or a pseudo-terminal of their own. */
export function createInteractiveProcesses(): InteractiveProcesses {
  return {
    start: (options) => (options.terminal === undefined ? overPipes(options) : overTerminal(options)),
  };
}

async function overPipes({ argv, env, stdin }: InteractiveOptions): Promise<InteractiveProcess> {
  const input = stdin ? openPipe() : undefined;
  const [out, err] = [openPipe(), openPipe()];
  const inputFd = input?.readFd ?? fs.openSync('/dev/null', 'r');
  let pid: number;
  try {
    pid = await spawn({ argv, env, fds: [inputFd, out.writeFd, err.writeFd] });
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
  const { exited, killUnlessEnded } = lifeOf(pid, [stdout, stderr]);
  return {
    stdin: writer,
    stdout,
    stderr,
    exited,
    resize: () => undefined,
    kill: () => {
      killUnlessEnded();
      for (const stream of [writer, stdout, stderr]) stream?.destroy();
    },
  };
}

async function overTerminal({ argv, env, terminal }: InteractiveOptions): Promise<InteractiveProcess> {
  const { masterFd, slavePath } = openPseudoTerminal({ columns: 80, rows: 24, relay: false, ...terminal });
  // Held open: libuv takes a hang-up for the end, and would drop what the kernel still holds of the output.
  const slaveFd = fs.openSync(slavePath, fs.constants.O_RDWR | fs.constants.O_NOCTTY);
  let pid: number;
  try {
    pid = await spawn({ argv, env, fds: [], terminal: slavePath });
  } catch (thrown) {
    [masterFd, slaveFd].forEach(closeFd);
    throw thrown;
  }
  const master = new TerminalOutput(masterFd);
  master.once('close', () => closeFd(slaveFd));
  const { exited, killUnlessEnded } = lifeOf(pid, [master]);
  void exited.then(() => master.finish());
  return {
    stdin: new TerminalInput(masterFd, master),
    stdout: master,
    stderr: undefined,
    exited,
    resize: (size) => {
      if (master.destroyed) return;
      if (terminal?.relay === true) for (const child of childrenOf(pid)) setTerminalSizeOf(child, size);
      setTerminalSize(masterFd, size);
    },
    kill: () => {
      killUnlessEnded();
      master.destroy();
    },
  };
}

/** A pid that has been reaped may be another process by now, which must not be killed. */
function lifeOf(pid: number, outputs: readonly Readable[]) {
  let ended = false;
  const exited = whenEnded(pid, outputs).finally(() => (ended = true));
  const killUnlessEnded = (): void => {
    if (!ended) killTree(pid);
  };
  return { exited, killUnlessEnded };
}

/** Polls for the end: the kernel would tell by SIGCHLD, but Node keeps that signal to its own children. */
async function whenEnded(pid: number, outputs: readonly Readable[]): Promise<number> {
  let open = outputs.length;
  let wake: () => void = () => undefined;
  for (const output of outputs)
    output.once('close', () => {
      open -= 1;
      wake();
    });
  for (;;) {
    const exitCode = reapIfEnded(pid);
    if (exitCode !== undefined) return exitCode;
    await new Promise<void>((resolve) => {
      const timer = setTimeout(resolve, open === 0 ? endingPollMs : runningPollMs);
      wake = () => {
        clearTimeout(timer);
        resolve();
      };
    });
  }
}
