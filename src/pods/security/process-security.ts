import { NodeletError } from '../../base/errors.js';
import type { LinuxContainerSecurityContext, LinuxSandboxSecurityContext } from '../../ports/cri/messages.js';
import type { Files } from '../../ports/files.js';
import { noCapabilities, processCapabilities } from '../../spec/security/capabilities.js';
import { securityField } from '../../spec/security/security-field.js';
import type { AskedUser, ResolvedImageUser } from '../../spec/security/image-user.js';
import { resolveImageUser } from '../../spec/security/image-user.js';
import type { MachineLimits } from '../../spec/machine-limits.js';
import type { LinuxSeccomp } from '../../spec/oci-spec-types.js';
import type { ProcessSecurity } from '../../spec/security/process-security.js';
import { parseSeccompProfile } from '../../spec/security/seccomp-parse.js';
import { seccompFor } from '../../spec/security/seccomp-profile.js';
import type { ProfileChoice } from '../../spec/security/security-profile.js';
import { appArmorChoice, seccompChoice } from '../../spec/security/security-profile.js';
import { selinuxLabels } from '../../spec/security/selinux-label.js';
import type { AppArmorProfiles } from './app-armor.js';

/** Far more than any image's user list; what is larger is not read into the agent's memory. */
const userListMaxBytes = 16 * 1024 * 1024;

export interface SecurityParts {
  files: Files;
  limits: MachineLimits;
  appArmor: AppArmorProfiles;
}

/** The root file system that a process gets, and the user that its image names. */
export interface SecuredImage {
  rootfs: string;
  imageUser: string;
}

/** Resolves a container's security context: looks up users in its image, reads profiles. Errors name the field of the request. */
export async function containerSecurity(
  parts: SecurityParts,
  image: SecuredImage,
  context: LinuxContainerSecurityContext | null,
): Promise<ProcessSecurity> {
  const { limits } = parts;
  const user = await resolveUser(parts.files, image, context);
  const privileged = context?.privileged ?? false;
  const asked = context?.capabilities ?? null;
  const capabilities = processCapabilities(asked, { own: limits.capabilities, privileged, uid: user.uid });
  return {
    user,
    capabilities,
    ...(await confinement(parts, context, capabilities.bounding)),
  };
}

/** As containerSecurity for an infra container, which needs no capability. */
export async function sandboxSecurity(
  parts: SecurityParts,
  image: SecuredImage,
  context: LinuxSandboxSecurityContext | null,
): Promise<ProcessSecurity> {
  return {
    user: await resolveUser(parts.files, image, context),
    capabilities: noCapabilities,
    ...(await confinement(parts, context, [])),
  };
}

async function confinement(
  { files, limits, appArmor }: SecurityParts,
  context: LinuxContainerSecurityContext | LinuxSandboxSecurityContext | null,
  capabilities: readonly string[],
): Promise<Pick<ProcessSecurity, 'seccomp' | 'appArmorProfile' | 'selinux'>> {
  const wanted = appArmorChoice(context, { base: securityField, appArmor: limits.appArmor });
  return {
    seccomp: await seccompOf(seccompChoice(context, securityField), { files, limits, capabilities }),
    appArmorProfile: await appArmor.profileFor(wanted),
    selinux:
      context === null || context.privileged
        ? undefined
        : selinuxLabels(context.selinux_options, limits.selinux),
  };
}

async function seccompOf(
  choice: ProfileChoice,
  { files, limits, capabilities }: { files: Files; limits: MachineLimits; capabilities: readonly string[] },
): Promise<LinuxSeccomp | undefined> {
  if (choice.kind === 'none') return undefined;
  if (choice.kind === 'default') return limits.seccompFor(capabilities);
  const { name: path, field } = choice;
  try {
    // Not a device or a FIFO, whose reading may never end.
    const real = await files.realPath(path);
    const kind = real === undefined ? undefined : (await files.stat(real))?.kind;
    if (real === undefined || kind === undefined) throw new NodeletError('invalid', 'is not there');
    if (kind !== 'file') throw new NodeletError('invalid', 'is no file');
    const text = (await files.read(real))?.toString('utf8') ?? '';
    return seccompFor(parseSeccompProfile(text), { capabilities, target: limits.seccompTarget });
  } catch (thrown) {
    const kind = thrown instanceof NodeletError ? thrown.kind : 'invalid';
    const reason = thrown instanceof Error ? thrown.message : String(thrown);
    throw new NodeletError(kind, `the profile ${path}: ${reason}`, { field, cause: thrown });
  }
}

async function resolveUser(
  files: Files,
  { rootfs, imageUser }: SecuredImage,
  securityContext: AskedUser | null,
): Promise<ResolvedImageUser> {
  const [passwd, group] = await Promise.all([
    userList(files, rootfs, '/etc/passwd'),
    userList(files, rootfs, '/etc/group'),
  ]);
  return resolveImageUser({ passwd, group, imageUser, securityContext });
}

/** A user list of the image; its symlinks lead to files of the image, as they would in the container. */
async function userList(files: Files, rootfs: string, path: string): Promise<string> {
  const real = await files.realPathIn(rootfs, path);
  const stat = real === undefined ? undefined : await files.stat(real);
  if (real === undefined || stat?.kind !== 'file') return '';
  if (stat.sizeBytes > userListMaxBytes) {
    throw new NodeletError('invalid', `the image's ${path} is larger than ${userListMaxBytes} bytes`, {
      field: 'config.image.image',
    });
  }
  return (await files.read(real))?.toString('utf8') ?? '';
}
