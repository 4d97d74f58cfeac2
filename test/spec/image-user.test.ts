import { expect } from 'chai';
import { newInt64Value, newLinuxContainerSecurityContext } from '../../src/ports/cri/messages.js';
import type { LinuxContainerSecurityContext } from '../../src/ports/cri/messages.js';
import { resolveImageUser } from '../../src/spec/security/image-user.js';

const passwd = 'root:x:0:0:root:/root:/bin/sh\napp:x:1000:1000::/:/bin/sh\n77:x:88:88::/:\n';
const group = 'root:x:0:\napp:x:1000:\nstaff:x:3000:other,app\n';
const id = (value: number) => newInt64Value({ value: String(value) });

function resolve(imageUser: string, set: Partial<LinuxContainerSecurityContext> = {}): string {
  const securityContext = newLinuxContainerSecurityContext(set);
  const { uid, gid, additionalGids } = resolveImageUser({ passwd, group, imageUser, securityContext });
  return `${uid}:${gid} ${additionalGids.join(',')}`.trim();
}

describe('spec: who a container runs as', () => {
  const cases: [what: string, actual: () => string, expected: string][] = [
    ['root where nobody says', () => resolve(''), '0:0 0'],
    ["the image's user with its groups", () => resolve('app'), '1000:1000 1000,3000'],
    ["the image's user and group", () => resolve('app:staff'), '1000:3000 3000'],
    ["the image's numbers", () => resolve('5:6'), '5:6 6'],
    ["the request's number over the image's", () => resolve('app', { run_as_user: id(0) }), '0:0 0'],
    ["the request's name", () => resolve('', { run_as_username: 'app' }), '1000:1000 1000,3000'],
    [
      'a number where a name is asked for',
      () => resolve('', { run_as_username: '1000' }),
      '1000:1000 1000,3000',
    ],
    ['one whose name is a number', () => resolve('', { run_as_username: '77' }), '88:88 88'],
    ['a number unknown to the image, in group 0', () => resolve('', { run_as_user: id(4711) }), '4711:0 0'],
    [
      "the request's group",
      () => resolve('', { run_as_user: id(1000), run_as_group: id(9) }),
      '1000:9 9,3000',
    ],
    [
      'supplemental groups merged with those of the image',
      () => resolve('', { run_as_user: id(1000), supplemental_groups: ['5'] }),
      '1000:1000 5,1000,3000',
    ],
    [
      'supplemental groups alone when strict',
      () => resolve('app', { supplemental_groups: ['5'], supplemental_groups_policy: 'Strict' }),
      '1000:1000 5,1000',
    ],
  ];
  for (const [what, actual, expected] of cases) it(`is ${what}`, () => expect(actual()).to.equal(expected));

  it('is nobody of a line that names no id, above all not root', () => {
    const broken = { passwd: 'half:x\nempty:x::\n#app:x:1:1\nneg:x:-5:0\n', group: '' };
    for (const run_as_username of ['half', 'empty', '#app', 'neg']) {
      const securityContext = newLinuxContainerSecurityContext({ run_as_username });
      expect(
        () => resolveImageUser({ ...broken, imageUser: '', securityContext }),
        run_as_username,
      ).to.throw();
    }
  });

  it('is refused by name when the image does not know it', () => {
    expect(() => resolve('', { run_as_username: 'ghost' }))
      .to.throw('ghost')
      .that.includes({ kind: 'invalid', field: 'config.linux.security_context.run_as_username' });
    expect(() => resolve('ghost'))
      .to.throw('ghost')
      .that.includes({ field: 'image config User' });
    expect(() => resolve('app:ghosts'))
      .to.throw('ghosts')
      .that.includes({ kind: 'invalid' });
  });
});
