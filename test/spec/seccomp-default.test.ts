import { expect } from 'chai';
import { seccompDefault } from '../../src/spec/security/seccomp-default.js';
import { parseSeccompProfile } from '../../src/spec/security/seccomp-parse.js';
import { seccompFor } from '../../src/spec/security/seccomp-profile.js';

const target = { architecture: 'x64', kernelRelease: '6.1.0' };
const refusedFor = (capabilities: string[], architecture = 'x64') =>
  (seccompFor(seccompDefault, { capabilities, target: { ...target, architecture } }).syscalls ?? []).flatMap(
    ({ names, args }) => names.map((name) => ({ name, args })),
  );
const names = (capabilities: string[]) => refusedFor(capabilities).map(({ name }) => name);

describe('spec: the seccomp profile that nodelet brings', () => {
  it('is one that it would take from a file', () => {
    expect(parseSeccompProfile(JSON.stringify(seccompDefault))).to.deep.equal({
      ...seccompDefault,
      syscalls: seccompDefault.syscalls.map((rule) => ({
        ...rule,
        includes: { arches: [], caps: [], ...(rule.includes.arches && rule.includes) },
        excludes: { arches: [], caps: [], ...rule.excludes },
      })),
    });
  });
  it('refuses what rules the machine, unless the capability for it is there', () => {
    expect(names([])).to.include.members(['mount', 'unshare', 'sethostname', 'bpf', 'keyctl', 'reboot']);
    expect(names(['CAP_SYS_ADMIN']))
      .to.include('keyctl')
      .and.not.to.include('mount');
    expect(names(['CAP_BPF']))
      .to.include('mount')
      .and.not.to.include('bpf');
  });
  it('looks for the flags of clone where the architecture has them', () => {
    const indexes = (architecture: string) =>
      new Set(
        refusedFor([], architecture)
          .filter(({ name }) => name === 'clone')
          .map(({ args }) => (args?.[0] as { index: number }).index),
      );
    expect([...indexes('x64')]).to.deep.equal([0]);
    expect([...indexes('s390x')]).to.deep.equal([1]);
  });
});
