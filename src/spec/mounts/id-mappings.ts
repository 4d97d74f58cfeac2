import { NodeletError } from '../../base/errors.js';
import type {
  IDMapping,
  LinuxContainerSecurityContext,
  PodSandboxConfig,
  UserNamespace,
} from '../../ports/cri/messages.js';
import type { IdMapping, IdRange } from '../../ports/mounts.js';
import type { OciIdMapping } from '../oci-spec-types.js';
import { namespacesField, securityField } from '../security/security-field.js';

/** Of 32 bits, but that the last one stands for "none" (user_namespaces(7)). */
const lastId = 2 ** 32 - 2;

const invalid = (field: string, message: string, remedy?: string) =>
  new NodeletError('invalid', message, remedy === undefined ? { field } : { field, remedy });

/** The one range that a list of CRI names; `fields` is the list's path. Container id 0 must be in it: root owns a pod's files. */
export function idRange(mappings: readonly IDMapping[], field: string): IdRange {
  const [only] = mappings;
  if (only === undefined || mappings.length > 1) {
    throw invalid(field, `has ${mappings.length} mappings, not exactly one`);
  }
  const { host_id: hostId, container_id: containerId, length } = only;
  if (containerId !== 0) throw invalid(`${field}[0].container_id`, `is ${containerId}: 0 must be mapped`);
  if (length === 0) throw invalid(`${field}[0].length`, 'is 0');
  if (hostId + length - 1 > lastId) {
    throw invalid(
      `${field}[0].length`,
      `maps up to host id ${hostId + length - 1}, past the last, ${lastId}`,
    );
  }
  return { containerId, hostId, length };
}

function userMapping(options: UserNamespace | null, field: string): IdMapping | undefined {
  if (options === null) return undefined;
  const { mode, uids, gids } = options;
  switch (mode) {
    case 'NODE':
      if (uids.length > 0) throw invalid(`${field}.uids`, 'is set, but mode is NODE', 'set mode: POD');
      if (gids.length > 0) throw invalid(`${field}.gids`, 'is set, but mode is NODE', 'set mode: POD');
      return undefined;
    case 'POD':
      return { uids: idRange(uids, `${field}.uids`), gids: idRange(gids, `${field}.gids`) };
    case 'CONTAINER':
    case 'TARGET':
      throw invalid(`${field}.mode`, `${mode} is not for user namespaces`, 'use POD or NODE');
  }
}

/** How the ids of a pod are mapped; undefined where the pod is in the host's user namespace. Throws what is wrong with it. */
export function podIdMapping(config: PodSandboxConfig): IdMapping | undefined {
  const options = config.linux?.security_context?.namespace_options?.userns_options ?? null;
  return userMapping(options, `${namespacesField}.userns_options`);
}

/** Settings of one interface; those of `all` and `default` are of the network namespace. */
const ofInterface = /^net[./]ipv[46][./](conf|neigh)[./](?!(all|default)[./])/;

const privilegedInside = () =>
  invalid(
    `${securityField}.privileged`,
    'the pod has a user namespace of its own, in which nobody is privileged on the host',
    'leave it out, or use userns_options.mode: NODE',
  );

/** Refuses what a sandbox can't have together with a user namespace. */
export function validateSandboxUserns(config: PodSandboxConfig): void {
  if (podIdMapping(config) === undefined) return;
  const context = config.linux?.security_context;
  for (const key of ['pid', 'ipc'] as const) {
    if (context?.namespace_options?.[key] !== 'NODE') continue;
    const message = "is NODE, over which the pod's own user namespace has no rights";
    throw invalid(`${namespacesField}.${key}`, message, 'use POD, or userns_options.mode: NODE');
  }
  if (context?.privileged === true) throw privilegedInside();
  for (const name of Object.keys(config.linux?.sysctls ?? {})) {
    if (!ofInterface.test(name)) continue;
    throw new NodeletError(
      'unsupported',
      'is of an interface, which a pod with a user namespace gets later',
      {
        field: `config.linux.sysctls["${name}"]`,
        remedy: 'set the one of "default" or "all"',
      },
    );
  }
}

const ociRange = ({ containerId, hostId, length }: IdRange): OciIdMapping[] => [
  { containerID: containerId, hostID: hostId, size: length },
];

/** Their part of `linux` in the OCI spec, config-linux.md; runc wants it also of a container that joins the namespace. */
export function ociMappings(mapping: IdMapping | undefined) {
  if (mapping === undefined) return {};
  return { uidMappings: ociRange(mapping.uids), gidMappings: ociRange(mapping.gids) };
}

const sameRange = (a: IdRange, b: IdRange) => a.hostId === b.hostId && a.length === b.length;

export const sameMapping = (a: IdMapping, b: IdMapping): boolean =>
  sameRange(a.uids, b.uids) && sameRange(a.gids, b.gids);

/** A container is in its pod's user namespace, so it must ask for the same one. */
export function validateContainerUserns(
  context: Pick<LinuxContainerSecurityContext, 'namespace_options' | 'privileged'> | null,
  sandbox: PodSandboxConfig,
): void {
  const field = `${namespacesField}.userns_options`;
  const asked = userMapping(context?.namespace_options?.userns_options ?? null, field);
  const given = podIdMapping(sandbox);
  if (asked === undefined && given === undefined) return;
  if (asked === undefined || given === undefined) {
    throw invalid(field, `the sandbox has ${given === undefined ? 'none' : 'a user namespace of its own'}`);
  }
  if (!sameRange(asked.uids, given.uids)) throw invalid(`${field}.uids`, "is not the sandbox's mapping");
  if (!sameRange(asked.gids, given.gids)) throw invalid(`${field}.gids`, "is not the sandbox's mapping");
  if (context?.privileged === true) throw privilegedInside();
}
