import { NodeletError } from '../base/errors.js';
import type { LinuxContainerSecurityContext } from '../ports/cri/messages.js';

export interface ResolvedImageUser {
  uid: number;
  gid: number;
  additionalGids: number[];
}

export interface ImageUserInput {
  /** Text of the image's /etc/passwd and /etc/group; empty where it has none. */
  passwd: string;
  group: string;
  /** `user`, `uid`, `user:group`, `uid:gid` or empty, image-spec config.md. */
  imageUser: string;
  securityContext: LinuxContainerSecurityContext | null;
}

interface PasswdEntry {
  name: string;
  uid: number;
  gid: number;
}

const rows = (text: string) => text.split('\n').map((line) => line.split(':'));
const isNumber = (text: string) => /^\d+$/.test(text);

/** Who process 1 runs as: the request's user and group over the image's; groups of the image's user as the policy says. */
export function resolveImageUser(input: ImageUserInput): ResolvedImageUser {
  const context = input.securityContext;
  const [imageName = '', imageGroup = ''] = input.imageUser.split(':');
  const asked = context?.run_as_user?.value ?? (context?.run_as_username || undefined);
  const entry = findUser(input.passwd, asked ?? (imageName === '' ? '0' : imageName), asked === undefined);
  const runAsGroup = context?.run_as_group?.value;
  const gid =
    runAsGroup !== undefined
      ? Number(runAsGroup)
      : asked === undefined && imageGroup !== ''
        ? findGroup(input.group, imageGroup)
        : entry.gid;
  const extra = (context?.supplemental_groups ?? []).map(Number);
  const own =
    context?.supplemental_groups_policy === 'Strict' || entry.name === ''
      ? []
      : rows(input.group)
          .filter((row) => (row[3] ?? '').split(',').includes(entry.name))
          .map((row) => Number(row[2]));
  return { uid: entry.uid, gid, additionalGids: [...new Set([...own, ...extra])] };
}

function findUser(passwd: string, user: string, fromImage: boolean): PasswdEntry {
  const row = rows(passwd).find((columns) => columns[isNumber(user) ? 2 : 0] === user);
  if (row !== undefined) return { name: row[0] ?? '', uid: Number(row[2]), gid: Number(row[3]) };
  if (isNumber(user)) return { name: '', uid: Number(user), gid: 0 };
  throw new NodeletError('invalid', `the image's /etc/passwd has no user "${user}"`, {
    field: fromImage ? 'image config User' : 'config.linux.security_context.run_as_username',
    remedy: 'give a numeric user id',
  });
}

function findGroup(group: string, wanted: string): number {
  if (isNumber(wanted)) return Number(wanted);
  const row = rows(group).find((columns) => columns[0] === wanted);
  if (row !== undefined) return Number(row[2]);
  throw new NodeletError('invalid', `the image's /etc/group has no group "${wanted}"`, {
    field: 'image config User',
  });
}
