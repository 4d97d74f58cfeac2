import type { CallContext } from '../../base/call-context.js';
import { NodeletError } from '../../base/errors.js';
import type { Files } from '../../ports/files.js';
import type { ContainerRecord } from '../../state/records.js';
import { containerStatus } from '../messages.js';
import type { Pods } from '../pods.js';

/** tar's exit code when a file changed while it was read: the container runs. */
const filesChanged = 1;
const tarTimeoutMs = 600_000;

/**
 * Puts the archive together as checkpointctl and other runtimes read it: `checkpoint/` (CRIU's images), `spec.dump`,
 * `config.dump`, `status.dump`, `rootfs-diff.tar` with `deleted.files`, CRIU's `dump.log` and `stats-dump`.
 */
export async function writeArchive(
  pods: Pods,
  record: ContainerRecord,
  { dir, partial }: { dir: string; partial: string },
  ctx: CallContext,
): Promise<void> {
  const { files } = pods.parts.host;
  const archive = `${dir}/archive`;
  const put = (name: string, content: string | Uint8Array) =>
    files.writeAtomic(`${archive}/${name}`, content, 0o600);
  for (const name of ['dump.log', 'stats-dump']) {
    const content = await files.read(`${dir}/work/${name}`);
    if (content !== undefined) await put(name, content);
  }
  const spec = await files.read(`${record.bundle}/config.json`);
  if (spec !== undefined) await put('spec.dump', spec);
  await put('config.dump', JSON.stringify(configDump(pods, record)));
  await put('status.dump', JSON.stringify(containerStatus(record)));
  const upper = pods.parts.images.snapshots.writableDir(record.id);
  const deleted = await whiteouts(files, upper);
  await put('deleted.files', JSON.stringify(deleted));
  const excluded = `${dir}/work/excluded`;
  await files.writeAtomic(excluded, deleted.map((path) => `./${path}\n`).join(''), 0o600);
  const plain = ['--anchored', '--no-wildcards', '--exclude-from', excluded];
  const named = ['--xattrs', '--numeric-owner', '--sparse', ...plain];
  await put('rootfs-diff.tar', '');
  await tar(pods, ['--file', `${archive}/rootfs-diff.tar`, ...named, '--directory', upper, '.'], ctx);
  // Made first, so that nobody else may read what was in the container's memory.
  await files.writeAtomic(partial, '', 0o600);
  await tar(pods, ['--file', partial, '--directory', archive, ...(await files.list(archive))], ctx);
}

async function tar(pods: Pods, options: string[], ctx: CallContext): Promise<void> {
  const { exitCode, stderr } = await pods.parts.host.processes.run({
    argv: ['tar', '--create', ...options],
    timeoutMs: tarTimeoutMs,
    signal: ctx.signal,
  });
  if (exitCode <= filesChanged) return;
  throw new NodeletError('tool-failed', `tar failed: ${stderr.toString('utf8').trim().split('\n').at(-1)}`, {
    field: 'location',
    remedy: 'see whether the disk is full',
  });
}

/** What checkpointctl calls config.dump. */
function configDump(pods: Pods, record: ContainerRecord): Record<string, string | boolean> {
  const iso = (ns: string) => new Date(Number(BigInt(ns) / 1_000_000n)).toISOString();
  return {
    id: record.id,
    name: record.config.metadata?.name ?? '',
    rootfsImage: record.imageId,
    rootfsImageRef: record.imageDigest || record.imageId,
    rootfsImageName: record.imageRef,
    runtime: pods.ledger.sandbox(record.sandboxId)?.handler ?? '',
    createdTime: iso(record.createdAtNs),
    checkpointedTime: iso(pods.nowNs()),
    restored: false,
  };
}

/** Paths below `dir` that overlayfs marks as deleted: character devices 0:0. */
async function whiteouts(files: Files, dir: string, below = ''): Promise<string[]> {
  const found: string[] = [];
  for (const name of await files.list(`${dir}/${below}`)) {
    const path = `${below}${name}`;
    const stat = await files.stat(`${dir}/${path}`);
    if (stat?.kind === 'dir') found.push(...(await whiteouts(files, dir, `${path}/`)));
    else if (stat?.device?.type === 'c' && stat.device.major === 0 && stat.device.minor === 0)
      found.push(path);
  }
  return found;
}
