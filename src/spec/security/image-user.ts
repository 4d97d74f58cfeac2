import { NodeletError } from '../../base/errors.js';
import type { LinuxContainerSecurityContext } from '../../ports/cri/messages.js';
import { securityField } from './security-field.js';

export interface ResolvedImageUser {
  uid: number;
  gid: number;
  /** All groups of the process as the kernel lists them: ascending, the primary one among them. */
  additionalGids: number[];
}

/** What a security context says of the user; a sandbox's has no name. */
export type AskedUser = Pick<
  LinuxContainerSecurityContext,
  'run_as_user' | 'run_as_group' | 'supplemental_groups' | 'supplemental_groups_policy'
> & { run_as_username?: string };

export interface ImageUserInput {
  /** Text of the image's /etc/passwd and /etc/group; empty where it has none. */
  passwd: string;
  group: string;
  /** `user`, `uid`, `user:group`, `uid:gid` or empty, image-spec config.md. */
  imageUser: string;
  securityContext: AskedUser | null;
}

interface Row {
  name: string;
  id: number;
  /** The other columns, passwd(5) and group(5): from the fourth on. */
  rest: string[];
}

/** The highest id that Kubernetes and every OCI runtime take, though the kernel has twice as many. */
const highestId = 2 ** 31 - 1;
const isNumber = (text: string) => /^\d+$/.test(text);
const isId = (text: string) => isNumber(text) && Number(text) <= highestId;

/** Lines of passwd or group that name somebody; others, as those without an id, name nobody: above all not root. */
function rowsOf(text: string): Row[] {
  return text.split('\n').flatMap((line) => {
    const [name = '', , id = '', ...rest] = line.trim().split(':');
    return name === '' || name.startsWith('#') || !isId(id) ? [] : [{ name, id: Number(id), rest }];
  });
}

/** Refuses ids that the kernel has not, and a group of nobody. `base` is the path of the context in the request. */
export function validateUser(asked: AskedUser, base: string): void {
  const invalid = (key: string, message: string) =>
    new NodeletError('invalid', message, { field: `${base}.${key}` });
  const { run_as_user, run_as_group, run_as_username = '', supplemental_groups } = asked;
  const check = (key: string, value: string | undefined) => {
    if (value !== undefined && !isId(value)) throw invalid(key, `${value} is not 0 to ${highestId}`);
  };
  check('run_as_user', run_as_user?.value);
  check('run_as_group', run_as_group?.value);
  supplemental_groups.forEach((id, index) => check(`supplemental_groups[${index}]`, id));
  if (run_as_user !== null && run_as_username !== '') {
    throw invalid('run_as_username', 'is set beside run_as_user');
  }
  if (run_as_group !== null && run_as_user === null && run_as_username === '') {
    throw invalid('run_as_group', 'is set without run_as_user');
  }
}

/** Who process 1 runs as: the request's user and group over the image's; groups of the image's user as the policy says. */
export function resolveImageUser(input: ImageUserInput): ResolvedImageUser {
  const asked = input.securityContext;
  const [imageName = '', imageGroup = ''] = input.imageUser.split(':');
  const uid = asked?.run_as_user?.value;
  const name = asked?.run_as_username || undefined;
  const fromImage = uid === undefined && name === undefined;
  const people = rowsOf(input.passwd);
  const groups = rowsOf(input.group);
  const user =
    uid === undefined
      ? find(people, name ?? (imageName === '' ? '0' : imageName), {
          field: fromImage ? 'image config User' : `${securityField}.run_as_username`,
          what: "the image's /etc/passwd has no user",
        })
      : (people.find(({ id }) => id === Number(uid)) ?? nameless(uid));
  const runAsGroup = asked?.run_as_group?.value;
  const ownGroup = isId(user.rest[0] ?? '') ? Number(user.rest[0]) : 0;
  const gid =
    runAsGroup !== undefined
      ? Number(runAsGroup)
      : fromImage && imageGroup !== ''
        ? find(groups, imageGroup, {
            field: 'image config User',
            what: "the image's /etc/group has no group",
          }).id
        : ownGroup;
  const merged = asked?.supplemental_groups_policy !== 'Strict' && user.name !== '';
  const own = merged ? groups.filter(({ rest }) => (rest[0] ?? '').split(',').includes(user.name)) : [];
  const gids = new Set([gid, ...own.map(({ id }) => id), ...(asked?.supplemental_groups ?? []).map(Number)]);
  return { uid: user.id, gid, additionalGids: [...gids].sort((a, b) => a - b) };
}

const nameless = (id: string): Row => ({ name: '', id: Number(id), rest: [] });

/** By name, then by number; a number that nobody has is nobody's, a name is refused. */
function find(rows: readonly Row[], wanted: string, { field, what }: { field: string; what: string }): Row {
  const row = rows.find(({ name }) => name === wanted) ?? rows.find(({ id }) => wanted === String(id));
  if (row !== undefined) return row;
  if (isId(wanted)) return nameless(wanted);
  throw new NodeletError('invalid', `${what} "${wanted}"`, { field, remedy: 'give a numeric id' });
}
