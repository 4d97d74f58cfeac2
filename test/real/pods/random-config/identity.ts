import { expect } from 'chai';
import fc from 'fast-check';
import { newCapability, newInt64Value } from '../../../../src/ports/cri/messages.js';
import { piece } from './piece.js';
import type { Piece } from './piece.js';

/** capabilities(7): bits of those that the test adds and drops, and Docker's well-known default set. */
const bits: Record<string, bigint> = { CHOWN: 0n, KILL: 5n, NET_ADMIN: 12n, SYS_PTRACE: 19n, SYS_TIME: 25n };
const defaults = 0xa80425fbn;
const maskOf = (names: readonly string[]) =>
  names.reduce((mask, name) => mask | (1n << (bits[name] ?? 0n)), 0n);

/** The image's `app` is uid and gid 1000 and in `staff` (3000). */
const users = [
  { put: undefined, uid: 0, gid: 0, imageGroups: [] },
  { put: { run_as_user: '0' }, uid: 0, gid: 0, imageGroups: [] },
  { put: { run_as_user: '1000' }, uid: 1000, gid: 1000, imageGroups: [3000] },
  { put: { run_as_username: 'app' }, uid: 1000, gid: 1000, imageGroups: [3000] },
  { put: { run_as_user: '4321' }, uid: 4321, gid: 0, imageGroups: [] },
] as const;

/** Who the process is and what it may: user, groups, capabilities, no_new_privs. */
export const identity: fc.Arbitrary<Piece> = fc
  .record({
    user: fc.constantFrom(...users),
    group: fc.constantFrom(undefined, 7, 1000),
    groups: fc.uniqueArray(fc.constantFrom(3000, 5000, 6000), { maxLength: 2 }),
    strict: fc.boolean(),
    add: fc.subarray(['NET_ADMIN', 'SYS_PTRACE', 'SYS_TIME']),
    drop: fc.subarray(['ALL', 'CHOWN', 'KILL']),
    ambient: fc.boolean(),
    noNewPrivs: fc.boolean(),
  })
  .map((asked) => {
    const { user, groups, strict, add, drop, noNewPrivs } = asked;
    const group = user.put === undefined ? undefined : asked.group;
    // One that is granted anyway, so that the ambient set says nothing about the others.
    const ambient = asked.ambient && add.length > 0 ? add.slice(0, 1) : [];
    const kept = drop.includes('ALL') ? 0n : defaults & ~maskOf(drop);
    const granted = kept | maskOf(add);
    return piece({
      label: `identity ${JSON.stringify({ user: user.put, group, groups, strict, add, drop, ambient, noNewPrivs })}`,
      put: ({ security }) => {
        const put: { run_as_user?: string; run_as_username?: string } = user.put ?? {};
        security.run_as_user =
          put.run_as_user === undefined ? null : newInt64Value({ value: put.run_as_user });
        security.run_as_username = put.run_as_username ?? '';
        security.run_as_group = group === undefined ? null : newInt64Value({ value: `${group}` });
        security.supplemental_groups = groups.map(String);
        security.supplemental_groups_policy = strict ? 'Strict' : 'Merge';
        security.no_new_privs = noNewPrivs;
        security.capabilities = newCapability({
          add_capabilities: add,
          drop_capabilities: drop,
          add_ambient_capabilities: ambient,
        });
      },
      holds: ({ process, status }) => {
        const gid = group ?? user.gid;
        expect(process.status('Uid')).to.deep.equal(Array(4).fill(`${user.uid}`));
        expect(process.status('Gid')).to.deep.equal(Array(4).fill(`${gid}`));
        const more: number[] = [...groups, ...(strict ? [] : user.imageGroups)];
        const seen = process
          .status('Groups')
          .map(Number)
          .filter((id) => id !== gid);
        expect(seen.sort()).to.deep.equal([...new Set(more)].filter((id) => id !== gid).sort());
        const told = status.user?.linux;
        expect([told?.uid, told?.gid]).to.deep.equal([`${user.uid}`, `${gid}`]);
        expect(told?.supplemental_groups.map(Number).sort()).to.deep.equal(
          process.status('Groups').map(Number).sort(),
        );
        expect(process.capabilities('CapBnd')).to.equal(granted);
        const held = user.uid === 0 ? granted : maskOf(ambient);
        expect(process.capabilities('CapEff')).to.equal(held);
        expect(process.capabilities('CapAmb')).to.equal(maskOf(ambient));
        expect(process.status('NoNewPrivs')).to.deep.equal([noNewPrivs ? '1' : '0']);
      },
    });
  });
