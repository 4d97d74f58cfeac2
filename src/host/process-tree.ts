import fs from 'node:fs';
import type { ProcessIdentity } from '../ports/processes.js';

const sigkill = 9;
/** Processes that fork while they are being killed are found in a later round; nobody forks faster for ever. */
const killRounds = 16;

interface ProcessStat {
  state: string;
  parent: number;
  session: number;
  startTicks: string;
}

/** The parts of /proc/PID/stat that are used here; the command name before them may hold anything. proc(5). */
function readStat(pid: number): ProcessStat | undefined {
  try {
    const text = fs.readFileSync(`/proc/${pid}/stat`, 'utf8');
    const fields = text.slice(text.lastIndexOf(')') + 2).split(' ');
    const [state = '', parent = '', , session = ''] = fields;
    return { state, parent: Number(parent), session: Number(session), startTicks: fields[19] ?? '' };
  } catch {
    return undefined;
  }
}

const isDead = ({ state }: ProcessStat) => state === 'Z' || state === 'X';

/** Identity of a live process; undefined where there is none, or only a zombie. */
export function identify(pid: number): ProcessIdentity | undefined {
  const stat = readStat(pid);
  return stat === undefined || isDead(stat) ? undefined : { pid, startTicks: stat.startTicks };
}

/** Signals a process unless it has gone, or its pid is another's by now. */
export function kill({ pid, startTicks }: ProcessIdentity, signal: number): boolean {
  return identify(pid)?.startTicks === startTicks && send(pid, signal);
}

function send(pid: number, signal: number): boolean {
  try {
    process.kill(pid, signal);
    return true;
  } catch {
    return false;
  }
}

export function livePids(): number[] {
  return fs
    .readdirSync('/proc')
    .filter((name) => /^\d+$/.test(name))
    .map(Number);
}

/** Pids of a process' children, whichever of its threads made them; none when it has gone. */
export function childrenOf(pid: number): number[] {
  try {
    return fs
      .readdirSync(`/proc/${pid}/task`)
      .flatMap((thread) => fs.readFileSync(`/proc/${pid}/task/${thread}/children`, 'utf8').split(' '))
      .filter((child) => child !== '')
      .map(Number);
  } catch {
    return [];
  }
}

/**
 * Kills a child that leads a session, all its descendants and all members of their sessions: a process whose
 * parent has gone is no descendant any more, but it keeps its session. The child must not have been reaped yet,
 * so that its number is nobody else's.
 */
export function killTree(leader: number): void {
  const members = new Set([leader]);
  for (let round = 0; round < killRounds; round++) {
    const found = liveMembers(members);
    if (found.length === 0) return;
    found.forEach((pid) => send(pid, sigkill));
  }
}

/** Adds to `members` whoever belongs to them, and gives those that were not killed before. */
function liveMembers(members: Set<number>): number[] {
  const others = new Map<number, ProcessStat>();
  const alive: number[] = [];
  for (const pid of livePids()) {
    const stat = readStat(pid);
    if (stat === undefined || isDead(stat)) continue;
    if (members.has(pid)) alive.push(pid);
    else others.set(pid, stat);
  }
  for (let grown = true; grown;) {
    grown = false;
    for (const [pid, { parent, session }] of others) {
      if (!members.has(parent) && !members.has(session)) continue;
      others.delete(pid);
      // A session belongs with any of its members: who began it may have gone.
      members.add(pid).add(session);
      alive.push(pid);
      grown = true;
    }
  }
  return alive;
}
