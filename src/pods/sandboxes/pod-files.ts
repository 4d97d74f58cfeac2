import { renderHosts, renderResolvConf } from '../../network/dns-files.js';
import type { Files } from '../../ports/files.js';
import type { SandboxRecord } from '../../state/records.js';
import type { Pods } from '../pods.js';
import { podRoot } from '../security/user-namespaces.js';

const shmBytes = 64 * 1024 * 1024;

const textOf = async (files: Files, path: string) => (await files.read(path))?.toString('utf8') ?? '';

/** The name that a pod's processes see: the request's, or the host's where the pod has none of its own. */
export async function podHostname(files: Files, asked: string): Promise<string> {
  return asked === '' ? (await textOf(files, '/proc/sys/kernel/hostname')).trim() : asked;
}

/** /dev/shm and the files of /etc that the containers of a pod share, all but `hosts`, which needs the pod's address. */
export async function makePodFiles(pods: Pods, record: SandboxRecord): Promise<void> {
  const { files, mounts } = pods.parts.host;
  await files.makeDir(pods.shmPath(record.id));
  const resolv = {
    text: await textOf(files, '/etc/resolv.conf'),
    upstreamText: await textOf(files, '/run/systemd/resolve/resolv.conf'),
    ownNetwork: record.networkMode !== 'host',
  };
  const hostname = await podHostname(files, record.config.hostname);
  const owner = podRoot(record.config);
  const owned = owner === undefined ? {} : { owner };
  await Promise.all([
    mounts.tmpfs(pods.shmPath(record.id), { sizeBytes: shmBytes, mode: 0o1777, ...owned }),
    writeOwned(pods, record, 'hostname', `${hostname}\n`),
    writeOwned(pods, record, 'resolv.conf', renderResolvConf(record.config.dns_config, resolv)),
    record.config.log_directory === '' ? undefined : files.makeDir(record.config.log_directory),
  ]);
}

/** A file that the pod's root may change. */
async function writeOwned(pods: Pods, record: SandboxRecord, name: string, text: string): Promise<void> {
  const { files } = pods.parts.host;
  const path = `${pods.sandboxDir(record.id)}/${name}`;
  await files.writeAtomic(path, text, 0o644);
  const owner = podRoot(record.config);
  if (owner !== undefined) await files.setOwner(path, owner);
}

export async function makeHostsFile(pods: Pods, record: SandboxRecord): Promise<void> {
  const { files } = pods.parts.host;
  const text =
    record.networkMode === 'host'
      ? await textOf(files, '/etc/hosts')
      : renderHosts({
          ip: record.ips[0] ?? '',
          hostname: await podHostname(files, record.config.hostname),
        });
  await writeOwned(pods, record, 'hosts', text);
}
