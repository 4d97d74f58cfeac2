import fs from 'node:fs';
import { NodeletError } from '../base/errors.js';
import { bind, closeFd, mustSucceed } from './libc.js';

const memfdCreate = bind<(name: string, flags: number) => number>(
  'int memfd_create(const char *name, unsigned int flags)',
);
const fcntl = bind<(fd: number, command: number, argument: number) => number>(
  'int fcntl(int fd, int command, int argument)',
);

const flags = { closeOnExec: 1, allowSealing: 2 };
const addSeals = 1033;
/** F_SEAL_SEAL, F_SEAL_SHRINK, F_SEAL_GROW, F_SEAL_WRITE: nothing can be changed any more, fcntl(2). */
const allSeals = 1 | 2 | 4 | 8;

interface SealedCopy {
  /** Which file it was made from: another after an upgrade of the package. */
  version: string;
  path: Promise<string>;
}

/**
 * Copies of programs in sealed memory (memfd_create(2)), one for each version of a file. They are kept open
 * as long as this process lives, since a monitor may be just about to start one.
 */
export function createSealedPrograms(): (program: string) => Promise<string> {
  const copies = new Map<string, SealedCopy>();
  return async (program) => {
    const stat = statOf(program);
    const version = [stat.dev, stat.ino, stat.size, stat.mtimeMs].join(':');
    let copy = copies.get(program);
    if (copy?.version !== version) {
      copy = { version, path: seal(program) };
      copies.set(program, copy);
    }
    return copy.path;
  };
}

/** In place: a program that is started again and again is in the kernel's cache, and a thread would cost more. */
function statOf(program: string): fs.Stats {
  try {
    return fs.statSync(program);
  } catch (thrown) {
    throw new NodeletError('tool-failed', `${program} can't be read`, {
      remedy: 'nodelet doctor tells which programs are missing',
      cause: thrown,
    });
  }
}

async function seal(program: string): Promise<string> {
  const content = await fs.promises.readFile(program);
  const name = program.slice(program.lastIndexOf('/') + 1);
  const fd = memfdCreate(name, flags.closeOnExec | flags.allowSealing);
  mustSucceed(fd, `memory for a copy of ${program}`);
  try {
    for (let written = 0; written < content.length;) written += fs.writeSync(fd, content, written);
    mustSucceed(fcntl(fd, addSeals, allSeals), `sealing the copy of ${program}`);
  } catch (thrown) {
    closeFd(fd);
    throw thrown;
  }
  return `/proc/${process.pid}/fd/${fd}`;
}
