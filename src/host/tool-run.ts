import fs from 'node:fs';
import net from 'node:net';
import { NodeletError } from '../base/errors.js';
import type { RunOptions, RunResult } from '../ports/processes.js';
import type { ChildReaper } from './child-reaper.js';
import { closeFd } from './libc.js';
import { drain, readPipe } from './output-pipe.js';
import { throwIfAborted, whenOver } from './patience.js';
import { openPipe, spawn } from './posix-spawn.js';
import type { Child } from './posix-spawn.js';
import { SupervisedChild } from './supervised-child.js';

const defaultOutputBytes = 1024 * 1024;

/** `Processes.run`: the program's own end counts, whoever else holds its output. */
export async function runTool(reaper: ChildReaper, options: RunOptions): Promise<RunResult> {
  throwIfAborted(options.signal);
  const { argv, stdin, maxOutputBytes = defaultOutputBytes, name = argv[0] ?? '' } = options;
  const { child, inputFd, outputFds } = await start(options);
  const supervised = new SupervisedChild(child, reaper.ended(child));
  const cancel = whenOver(name, options, (reason) => supervised.end(reason));
  const pieces: Buffer[][] = outputFds.map(() => []);
  const outputs = outputFds.map((fd, index) => {
    let bytes = 0;
    return readPipe(fd, (piece) => {
      bytes += piece.length;
      if (bytes <= maxOutputBytes) pieces[index]?.push(piece);
      else {
        supervised.end(new NodeletError('exhausted', `${name} printed more than ${maxOutputBytes} bytes`));
      }
    });
  });
  const input = inputFd === undefined ? undefined : writeInput(inputFd, stdin ?? new Uint8Array());
  try {
    await supervised.over;
    await drain(outputs);
  } finally {
    cancel();
    input?.destroy();
    outputs.forEach((output) => output.stop());
  }
  const exitCode = await supervised.outcome();
  const [stdout, stderr] = [0, 1].map((index) => Buffer.concat(pieces[index] ?? []));
  return { exitCode, stdout: stdout ?? Buffer.alloc(0), stderr: stderr ?? Buffer.alloc(0) };
}

interface Started {
  child: Child;
  /** Our end of its stdin, where there is something to send. */
  inputFd: number | undefined;
  /** Our ends of stdout and stderr, none where it has /dev/null. */
  outputFds: number[];
}

async function start({ argv, env, cwd, stdin, detachedOutput }: RunOptions): Promise<Started> {
  const nullFd = fs.openSync('/dev/null', 'r+');
  const input = stdin === undefined ? undefined : openPipe();
  const outputs = detachedOutput === true ? [] : [openPipe(), openPipe()];
  const inputFd = input?.writeFd;
  const outputFds = outputs.map(({ readFd }) => readFd);
  try {
    const fds = [input?.readFd ?? nullFd, outputs[0]?.writeFd ?? nullFd, outputs[1]?.writeFd ?? nullFd];
    return { child: await spawn({ argv, env, cwd, fds }), inputFd, outputFds };
  } catch (thrown) {
    if (inputFd !== undefined) closeFd(inputFd);
    outputFds.forEach((fd) => closeFd(fd));
    throw thrown;
  } finally {
    closeFd(nullFd);
    if (input !== undefined) closeFd(input.readFd);
    outputs.forEach(({ writeFd }) => closeFd(writeFd));
  }
}

/** A program that does not read what it is given is none of our concern. */
function writeInput(fd: number, bytes: Uint8Array): net.Socket {
  const writer = new net.Socket({ fd, readable: false, writable: true });
  writer.on('error', () => writer.destroy());
  writer.end(bytes);
  return writer;
}
