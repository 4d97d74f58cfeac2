import fs from 'node:fs';
import type { Child } from './posix-spawn.js';
import { factsOf, hasEnded, kill } from './process-identity.js';
import type { ProcessFacts } from './process-identity.js';

const signals = { kill: 9, stop: 19 };
/** How many are looked at between two turns of the event loop: about half a millisecond's worth. */
const batchSize = 32;
/** A tree that still grows after so many looks is killed as far as it is known. */
const maxLooks = 20;
const kernelThreadParent = 2;

/** All processes of the machine, a few at a time, so that the event loop goes on meanwhile. */
export async function* allProcesses(): AsyncGenerator<ProcessFacts> {
  let looked = 0;
  for (const name of await fs.promises.readdir('/proc')) {
    if (!/^\d+$/.test(name)) continue;
    const facts = factsOf(Number(name));
    if (facts !== undefined) yield facts;
    if (++looked % batchSize === 0) await new Promise((resolve) => setImmediate(resolve));
  }
}

/**
 * Kills a child and all that came of it, also those that have left it: a process belongs to the tree when it has the
 * child's mark in its environment, or when its parent belongs (a program inside a container has no mark, but what
 * started it has), or when it shares a process group or session with one that belongs, other than nodelet's own. Each is
 * stopped when it is found, so that it starts no further ones, and the search is repeated until it finds nothing new.
 */
export async function killTree(root: Child): Promise<void> {
  try {
    await killAllOf(new ProcessTree(root));
  } catch {
    // No descriptors are left to look for the others with.
    if (!root.reaped) process.kill(root.pid, signals.kill);
  }
}

async function killAllOf(tree: ProcessTree): Promise<void> {
  for (let look = 0; look < maxLooks; look++) {
    const fresh = await tree.grow();
    if (fresh.length === 0) break;
    for (const member of fresh) if (!hasEnded(member)) kill(member, signals.stop);
  }
  for (const member of tree.members.values()) kill(member, signals.kill);
}

class ProcessTree {
  readonly members = new Map<number, ProcessFacts>();
  private readonly groups = new Set<number>();
  private readonly sessions = new Set<number>();
  private readonly own = factsOf(process.pid);

  constructor(private readonly root: Child) {}

  /** Adds those that belong and were not known, and returns them. */
  async grow(): Promise<ProcessFacts[]> {
    const fresh: ProcessFacts[] = [];
    let rest: ProcessFacts[] = [];
    for await (const found of allProcesses()) {
      if (this.members.has(found.pid) || found.pid === process.pid) continue;
      if (isMarked(found, this.root)) fresh.push(this.add(found));
      else rest.push(found);
    }
    // A child may come before its parent in the list: as long as some are found, the rest is asked again.
    for (let before = -1; before !== fresh.length;) {
      before = fresh.length;
      rest = rest.filter((found) => {
        if (!this.isTied(found)) return true;
        fresh.push(this.add(found));
        return false;
      });
    }
    return fresh;
  }

  private add(member: ProcessFacts): ProcessFacts {
    this.members.set(member.pid, member);
    if (member.group !== this.own?.group) this.groups.add(member.group);
    if (member.session !== this.own?.session) this.sessions.add(member.session);
    return member;
  }

  private isTied({ parent, group, session }: ProcessFacts): boolean {
    return this.members.has(parent) || this.groups.has(group) || this.sessions.has(session);
  }
}

function isMarked({ pid, parent }: ProcessFacts, { mark }: Child): boolean {
  // Kernel threads have no environment, and there are many.
  if (parent === kernelThreadParent) return false;
  try {
    return fs.readFileSync(`/proc/${pid}/environ`, 'latin1').split('\0').includes(mark);
  } catch {
    return false;
  }
}
