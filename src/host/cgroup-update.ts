import fs from 'node:fs/promises';
import path from 'node:path';
import { NodeletError } from '../base/errors.js';
import type { CgroupLimits } from '../ports/cgroups.js';
import { limitFilesV1, limitFilesV2, unifiedFiles, unreclaimableBytes } from './cgroup-limits.js';
import type { LimitFile } from './cgroup-limits.js';
import { controllersOf } from './cgroup-tree.js';
import type { Hierarchy } from './cgroup-hierarchies.js';

/** A limit's file as it is on the machine. */
interface Change extends LimitFile {
  path: string;
  /** What it holds now, to go back to. */
  before: string;
}

/** Sets limits of a group in all hierarchies, or leaves all as they were; cgroups(7). */
export async function updateGroup(
  all: readonly Hierarchy[],
  { group, limits }: { group: string; limits: CgroupLimits },
): Promise<void> {
  if (Object.keys(limits).length === 0) return;
  const changes = await changesFor(all, group, limits);
  await refuseLessThanUsed(changes);
  const done: Change[] = [];
  try {
    await writeInSomeOrder(changes, done);
  } catch (thrown) {
    const back = done.reverse().map((change) => ({ ...change, value: change.before }));
    await writeInSomeOrder(back, []).catch(() => undefined);
    throw thrown;
  }
}

async function changesFor(all: readonly Hierarchy[], group: string, limits: CgroupLimits): Promise<Change[]> {
  const changes: Change[] = [];
  const filesOf = ({ kind }: Pick<Hierarchy, 'kind'>) =>
    kind === 'v1' ? limitFilesV1(limits) : limitFilesV2(limits);
  for (const hierarchy of all) {
    const controllers = [
      ...(await controllersOf(hierarchy, group)),
      ...(hierarchy.kind === 'v2' ? ['cgroup'] : []),
    ];
    for (const file of filesOf(hierarchy)) {
      if (!controllers.includes(file.controller)) continue;
      const target = path.join(hierarchy.dir, group, file.file);
      const before = await fs.readFile(target, 'utf8').catch((thrown: NodeJS.ErrnoException) => thrown);
      if (typeof before === 'string') changes.push({ ...file, path: target, before: before.trim() });
      else if (!file.optional) throw unwritable({ ...file, path: target }, before);
    }
  }
  const isV1 = all.some(({ kind }) => kind === 'v1');
  const wanted = isV1 ? [...limitFilesV1(limits), ...unifiedFiles(limits)] : limitFilesV2(limits);
  const missing = wanted.find(
    ({ limit, optional }) => !optional && !changes.some((change) => change.limit === limit),
  );
  if (missing !== undefined) {
    throw new NodeletError('unsupported', `this machine has no cgroup with the file ${missing.file}`, {
      field: missing.limit,
      remedy: `enable the controller ${missing.controller} in the kernel or on its command line`,
    });
  }
  return changes.filter(({ before, value }) => before !== value);
}

/** v1 refuses a limit of memory that is below what can't be reclaimed; v2 would kill to get there. */
async function refuseLessThanUsed(changes: readonly Change[]): Promise<void> {
  for (const change of changes) {
    if (path.basename(change.path) !== 'memory.max' || change.value === 'max') continue;
    const dir = path.dirname(change.path);
    const [current, stat] = await Promise.all(
      ['memory.current', 'memory.stat'].map((name) => fs.readFile(path.join(dir, name), 'utf8')),
    );
    const used = unreclaimableBytes({ current: current ?? '', stat: stat ?? '' });
    if (used > Number(change.value)) throw belowUsage(change, used);
  }
}

/**
 * Writes limits that depend on one another (memory on memory and swap, quota on period and on what the parent has) in
 * whichever order the kernel takes: what it refuses is tried again as long as others go through.
 */
async function writeInSomeOrder(changes: readonly Change[], done: Change[]): Promise<void> {
  let waiting = [...changes];
  while (waiting.length > 0) {
    const refused: { change: Change; thrown: NodeJS.ErrnoException }[] = [];
    for (const change of waiting) {
      try {
        await fs.writeFile(change.path, `${change.value}\n`);
        done.push(change);
      } catch (thrown) {
        refused.push({ change, thrown: thrown as NodeJS.ErrnoException });
      }
    }
    const [first] = refused;
    if (first !== undefined && refused.length === waiting.length) {
      throw await refusal(first.change, first.thrown);
    }
    waiting = refused.map(({ change }) => change);
  }
}

async function refusal(change: Change, thrown: NodeJS.ErrnoException): Promise<NodeletError> {
  const usage = /^memory\.(memsw\.)?limit_in_bytes$/.exec(path.basename(change.path));
  if (thrown.code !== 'EBUSY' || usage === null) return unwritable(change, thrown);
  const file = path.join(path.dirname(change.path), `memory.${usage[1] ?? ''}usage_in_bytes`);
  return belowUsage(change, Number(await fs.readFile(file, 'utf8')));
}

const belowUsage = ({ limit, value }: LimitFile, usedBytes: number): NodeletError =>
  new NodeletError('wrong-state', `${value} bytes are less than the ${usedBytes} in use`, {
    field: limit,
    remedy: 'choose a higher limit, or let the container use less first',
  });

function unwritable(
  { limit, value, path: target }: Pick<Change, 'limit' | 'value' | 'path'>,
  thrown: NodeJS.ErrnoException,
): NodeletError {
  const message = `writing ${value} to ${target} failed: ${thrown.code}`;
  const kind =
    thrown.code === 'ENOENT'
      ? 'not-found'
      : /^(EINVAL|ERANGE|EBUSY|ENOSPC|EOPNOTSUPP)$/.test(thrown.code ?? '')
        ? 'invalid'
        : 'tool-failed';
  return new NodeletError(kind, message, { field: limit, cause: thrown });
}
