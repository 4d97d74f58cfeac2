import type { CdiDeviceNode, CdiHook, CdiMount } from './cdi-spec.js';
import type { GrantedEdits } from './cdi-catalog.js';
import type { OciDevice, OciHook, OciHooks, OciMount, OciSpec } from '../oci-spec-types.js';

/** A device node whose numbers are known. */
export type KnownNode = CdiDeviceNode & { type: 'b' | 'c' | 'u' | 'p' };

/** An OCI spec with CDI edits in it, in their order: what they name replaces what has the same name. */
export function applyCdiEdits(
  spec: OciSpec,
  granted: readonly (GrantedEdits & { nodes: readonly KnownNode[] })[],
): OciSpec {
  const edits = granted.map((one) => one.edits);
  const nodes = granted.flatMap((one) => one.nodes);
  const intelRdt = edits.findLast((one) => one.intelRdt !== undefined)?.intelRdt;
  const { process: first, linux } = spec;
  const gids = new Set(edits.flatMap((one) => one.additionalGids));
  // The group of root comes with being root, CDI leaves it out.
  gids.delete(0);
  return {
    ...spec,
    process: {
      ...first,
      env: mergeEnv(
        first.env,
        edits.flatMap((one) => one.env),
      ),
      user: {
        ...first.user,
        additionalGids: [...new Set([...(first.user.additionalGids ?? []), ...gids])],
      },
    },
    mounts: mergeMounts(
      spec.mounts,
      edits.flatMap((one) => one.mounts),
    ),
    ...hooksOf(edits.flatMap((one) => one.hooks)),
    linux: {
      ...linux,
      resources: {
        ...linux.resources,
        devices: [
          ...(linux.resources.devices ?? []),
          ...nodes.flatMap(({ type, major, minor, permissions }) =>
            type === 'p' || major === undefined || minor === undefined
              ? []
              : [{ allow: true, type, major, minor, access: permissions }],
          ),
        ],
      },
      ...(nodes.length === 0 ? {} : { devices: mergeDevices(linux.devices ?? [], nodes, first.user) }),
      ...(intelRdt === undefined ? {} : { intelRdt }),
    },
  };
}

function mergeEnv(env: readonly string[], added: readonly string[]): string[] {
  const merged = new Map(env.map((entry) => [nameOf(entry), entry]));
  added.forEach((entry) => merged.set(nameOf(entry), entry));
  return [...merged.values()];
}

const nameOf = (entry: string): string => entry.slice(0, entry.indexOf('='));

/** A device file is its user's, unless the edits say whose it is. */
function mergeDevices(
  devices: readonly OciDevice[],
  nodes: readonly KnownNode[],
  user: { uid: number; gid: number },
): OciDevice[] {
  const merged = new Map(devices.map((device) => [device.path, device]));
  for (const { path, type, major = 0, minor = 0, fileMode, uid = user.uid, gid = user.gid } of nodes) {
    merged.set(path, { path, type, major, minor, uid, gid, ...(fileMode === undefined ? {} : { fileMode }) });
  }
  return [...merged.values()];
}

function mergeMounts(mounts: readonly OciMount[], added: readonly CdiMount[]): OciMount[] {
  const own = added.map(({ hostPath, containerPath, type, options }): OciMount => {
    const binds = options.some((option) => option === 'bind' || option === 'rbind');
    if (type !== '' && type !== 'bind')
      return { destination: containerPath, source: hostPath, type, options };
    const whole = binds ? options : ['rbind', ...options];
    return { destination: containerPath, source: hostPath, type: 'bind', options: whole };
  });
  if (own.length === 0) return [...mounts];
  const merged = new Map(mounts.map((mount) => [mount.destination, mount]));
  own.forEach((mount) => merged.set(mount.destination, mount));
  // A folder comes before what is mounted in it.
  return [...merged.values()].sort((a, b) => depth(a) - depth(b));
}

const depth = ({ destination }: OciMount): number => destination.split('/').filter(Boolean).length;

function hooksOf(added: readonly CdiHook[]): { hooks?: OciHooks } {
  if (added.length === 0) return {};
  const hooks: Record<string, OciHook[]> = {};
  for (const { hookName, path, args, env, timeout } of added) {
    const hook = {
      path,
      ...(args.length === 0 ? {} : { args }),
      ...(env.length === 0 ? {} : { env }),
      ...(timeout === undefined ? {} : { timeout }),
    };
    (hooks[hookName] ??= []).push(hook);
  }
  return { hooks };
}
