import { NodeletError } from '../../base/errors.js';
import type { SecurityProfile } from '../../ports/cri/messages.js';

/** A profile that a context asks for, and the field that says so; `named` is a file for seccomp, a loaded profile for AppArmor. */
export type ProfileChoice =
  { kind: 'none' } | { kind: 'default'; field: string } | { kind: 'named'; name: string; field: string };

const none: ProfileChoice = { kind: 'none' };
const prefix = 'localhost/';

/** Both spellings of a request for one kind of profile: the message, and the older text that kubelets send beside it. */
interface Asked {
  profile: SecurityProfile | null;
  profileField: string;
  legacy: string;
  legacyField: string;
}

/** The message decides over the text; neither is no profile, as CRI has it for the big runtimes. */
function choose({ profile, profileField, legacy, legacyField }: Asked): ProfileChoice {
  if (profile !== null) {
    if (profile.profile_type === 'Unconfined') return none;
    if (profile.profile_type === 'RuntimeDefault') return { kind: 'default', field: profileField };
    const field = `${profileField}.localhost_ref`;
    return { kind: 'named', name: withoutPrefix(profile.localhost_ref, field), field };
  }
  if (legacy === '' || legacy === 'unconfined') return none;
  if (legacy === 'runtime/default' || legacy === 'docker/default') {
    return { kind: 'default', field: legacyField };
  }
  if (legacy.startsWith(prefix)) {
    return { kind: 'named', name: withoutPrefix(legacy, legacyField), field: legacyField };
  }
  throw new NodeletError('invalid', `"${legacy}" names no profile`, {
    field: legacyField,
    remedy: 'use runtime/default, unconfined or localhost/NAME',
  });
}

function withoutPrefix(name: string, field: string): string {
  const bare = name.startsWith(prefix) ? name.slice(prefix.length) : name;
  if (bare === '' || bare.includes('\0')) throw new NodeletError('invalid', 'names no profile', { field });
  return bare;
}

/** What a context of a sandbox or a container says about seccomp and AppArmor; `base` is its path in the request. */
export interface ConfinementContext {
  privileged: boolean;
  seccomp: SecurityProfile | null;
  seccomp_profile_path: string;
  apparmor: SecurityProfile | null;
  apparmor_profile?: string;
}

/** The seccomp profile; privileged means none. A file is named by an absolute path. */
export function seccompChoice(context: ConfinementContext | null, base: string): ProfileChoice {
  if (context === null || context.privileged) return none;
  const choice = choose({
    profile: context.seccomp,
    profileField: `${base}.seccomp`,
    legacy: context.seccomp_profile_path,
    legacyField: `${base}.seccomp_profile_path`,
  });
  if (choice.kind !== 'named' || choice.name.startsWith('/')) return choice;
  throw new NodeletError('invalid', `"${choice.name}" is no absolute path of a profile`, {
    field: choice.field,
  });
}

/** The AppArmor profile; privileged means none. On a machine without AppArmor the default is none, a named one is refused. */
export function appArmorChoice(
  context: ConfinementContext | null,
  { base, appArmor }: { base: string; appArmor: boolean },
): ProfileChoice {
  if (context === null || context.privileged) return none;
  const choice = choose({
    profile: context.apparmor,
    profileField: `${base}.apparmor`,
    legacy: context.apparmor_profile ?? '',
    legacyField: `${base}.apparmor_profile`,
  });
  if (appArmor || choice.kind === 'none') return choice;
  if (choice.kind === 'default') return none;
  throw new NodeletError('unsupported', 'AppArmor is off on this machine', {
    field: choice.field,
    remedy: 'leave the field out, or boot with AppArmor',
  });
}
