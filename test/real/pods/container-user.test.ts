import fs from 'node:fs';
import { expect } from 'chai';
import fc from 'fast-check';
import { newImageSpec, newInt64Value } from '../../../src/ports/cri/messages.js';
import type { LinuxContainerSecurityContext } from '../../../src/ports/cri/messages.js';
import { PodClient, failure, secured } from '../pod-client.js';
import { startRealNode } from '../real-node.js';
import type { RealNode } from '../real-node.js';
import type { ImageVariant } from '../test-registry.js';

type Asked = Partial<LinuxContainerSecurityContext>;
const id = (value: number) => newInt64Value({ value: String(value) });
/** User 1000 belongs to a group of the image's own. */
const predefined: ImageVariant = {
  user: 'default-user',
  files: {
    '/etc/passwd': 'root:x:0:0::/:/bin/sh\ndefault-user:x:1000:1000::/:/bin/sh\n2000:x:7:8::/:/bin/sh\n',
    '/etc/group': 'root:x:0:\ndefault-user:x:1000:\ngroup-in-image:x:50000:default-user,2000\n',
  },
};

for (const handler of ['crun', 'runc']) {
  describe(`pods: who process 1 of a container is (real ${handler})`, () => {
    let node: RealNode;
    let pods: PodClient;
    let sandbox = '';
    before(async () => {
      node = await startRealNode();
      pods = await PodClient.on(node, await node.image(predefined));
      sandbox = await pods.runPod({}, handler);
    });
    after(() => node.dispose());

    /** `uid:gid groups` as the process, an exec and the status have it, which must be one. */
    async function identity(set: Asked, variant: ImageVariant = predefined): Promise<string> {
      const image = newImageSpec({ image: await node.image(variant) });
      const container = await pods.run(sandbox, { image, ...secured(set) });
      const { Uid = '', Gid = '', Groups } = await pods.processStatus(container);
      const { user } = await pods.status(container);
      const [uid, gid] = [Uid.split(' '), Gid.split(' ')];
      expect(new Set(uid).size + new Set(gid).size, 'real, effective, saved and of the file system').to.equal(
        2,
      );
      expect(user?.linux, 'status').to.deep.equal({
        uid: uid[0],
        gid: gid[0],
        supplemental_groups: Groups?.split(' '),
      });
      const inside = await pods.shell(
        container,
        'grep -E "^(Uid|Gid|Groups):" /proc/self/status | cut -f 2-',
      );
      expect(inside.replaceAll('\t', ' ').replaceAll(/ +$/gm, ''), 'an exec').to.equal(
        [Uid, Gid, Groups].join('\n'),
      );
      return `${uid[0] ?? ''}:${gid[0] ?? ''} ${Groups ?? ''}`;
    }

    const cases: [what: string, set: Asked, expected: string][] = [
      ["the image's user", {}, '1000:1000 1000 50000'],
      ['a number, its group and groups from the image', { run_as_user: id(1000) }, '1000:1000 1000 50000'],
      ['a number that the image does not know', { run_as_user: id(1001) }, '1001:0 0'],
      ['a number with a group', { run_as_user: id(1001), run_as_group: id(1002) }, '1001:1002 1002'],
      ['a name', { run_as_username: 'default-user' }, '1000:1000 1000 50000'],
      ['a name that is a number', { run_as_username: '2000' }, '7:8 8 50000'],
      [
        'groups asked for beside the image’s (Merge)',
        { run_as_user: id(1000), supplemental_groups: ['1234'] },
        '1000:1000 1000 1234 50000',
      ],
      [
        'groups asked for and no others (Strict)',
        { run_as_user: id(1000), supplemental_groups: ['1234'], supplemental_groups_policy: 'Strict' },
        '1000:1000 1000 1234',
      ],
      [
        'the highest ids',
        { run_as_user: id(2147483647), run_as_group: id(2147483647) },
        '2147483647:2147483647 2147483647',
      ],
    ];
    for (const [what, set, expected] of cases) {
      it(`${what}: ${expected}`, async () => expect(await identity(set)).to.equal(expected));
    }

    const images: [user: string, expected: string][] = [
      ['1000:50000', '1000:50000 50000'],
      ['default-user:group-in-image', '1000:50000 50000'],
      ['5:6', '5:6 6'],
      ['', '0:0 0'],
    ];
    for (const [user, expected] of images) {
      it(`is the image's User "${user}": ${expected}`, async () => {
        expect(await identity({}, { ...predefined, user })).to.equal(expected);
      });
    }

    it('is found by links within the image, and never by one that leads out of it', async () => {
      const etc = predefined.files ?? {};
      const within: ImageVariant = {
        files: { '/usr/etc/users': etc['/etc/passwd'] ?? '', '/etc/group': etc['/etc/group'] ?? '' },
        links: { '/etc/passwd': '/usr/etc/users' },
      };
      expect(await identity({ run_as_username: 'default-user' }, within)).to.equal('1000:1000 1000 50000');
      const outside = `${node.dir}/passwd`;
      fs.writeFileSync(outside, 'intruder:x:4242:4242::/:/bin/sh\n');
      for (const links of [{ '/etc/passwd': `../../../../../..${outside}` }, { '/etc/passwd': outside }]) {
        const image = newImageSpec({ image: await node.image({ links }) });
        const set = { image, ...secured({ run_as_username: 'intruder' }) };
        const error = await failure(pods.create(sandbox, set));
        expect(error.message).to.match(/run_as_username.*no user "intruder"/);
      }
    });

    it('is refused, with nothing left behind, where the image or the request names nobody', async () => {
      const before = await pods.containersOf(sandbox);
      const refusals: [field: RegExp, set: Asked][] = [
        [/run_as_username.*no user "ghost"/, { run_as_username: 'ghost' }],
        [/run_as_group.*without run_as_user/, { run_as_group: id(1002) }],
        [/supplemental_groups\[0\]/, { supplemental_groups: ['-1'] }],
      ];
      for (const [field, set] of refusals) {
        const error = await failure(pods.create(sandbox, secured(set)));
        expect(error).to.include({ kind: 'invalid' });
        expect(error.message).to.match(field);
      }
      expect(await pods.containersOf(sandbox)).to.deep.equal(before);
    });

    it('is what was accepted, whatever was asked', async () => {
      const someId = fc.integer({ min: 0, max: 2 ** 31 - 1 });
      const asked = fc.record({
        run_as_user: fc.option(someId.map(id)),
        run_as_group: fc.option(someId.map(id)),
        supplemental_groups: fc.array(someId.map(String), { maxLength: 5 }),
        supplemental_groups_policy: fc.constantFrom('Merge' as const, 'Strict' as const),
      });
      await fc.assert(
        fc.asyncProperty(asked, async (set) => {
          if (set.run_as_user === null && set.run_as_group !== null) {
            expect(await failure(pods.create(sandbox, secured(set)))).to.include({ kind: 'invalid' });
            return;
          }
          const got = await identity(set);
          const groups = got.split(' ').slice(1);
          expect(groups).to.include.members(set.supplemental_groups.map((group) => String(Number(group))));
          if (set.run_as_user !== null) expect(got).to.match(new RegExp(`^${set.run_as_user.value}:`));
          if (set.run_as_group !== null) expect(got).to.match(new RegExp(`:${set.run_as_group.value} `));
          if (set.run_as_user === null) {
            expect(groups.includes('50000')).to.equal(set.supplemental_groups_policy === 'Merge');
          }
        }),
        { numRuns: 6 },
      );
    });
  });
}
