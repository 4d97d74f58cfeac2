import fs from 'node:fs';
import { expect } from 'chai';
import { parseSeccompProfile } from '../../src/spec/security/seccomp-parse.js';
import { seccompFor } from '../../src/spec/security/seccomp-profile.js';

const target = { architecture: 'x64', kernelRelease: '6.1.0-13-amd64' };
const parse = (profile: object) => parseSeccompProfile(JSON.stringify(profile));
const translate = (profile: object, capabilities: string[] = [], here = target) =>
  seccompFor(parse(profile), { capabilities, target: here });
const allow = 'SCMP_ACT_ALLOW';
const rule = (name: string, rest: object = {}) => ({ names: [name], action: 'SCMP_ACT_ERRNO', ...rest });
const profile = (rest: object) => ({ defaultAction: allow, ...rest });

describe('spec: a seccomp profile', () => {
  it('of the OCI form stays as it is', () => {
    const args = [{ index: 0, value: 8, valueTwo: 8, op: 'SCMP_CMP_MASKED_EQ' }];
    const plain = {
      defaultAction: 'SCMP_ACT_ERRNO',
      defaultErrnoRet: 38,
      architectures: ['SCMP_ARCH_X86_64', 'SCMP_ARCH_X86'],
      flags: ['SECCOMP_FILTER_FLAG_LOG'],
      syscalls: [{ names: ['chmod', 'not_yet_invented'], action: 'SCMP_ACT_ERRNO', errnoRet: 1, args }],
    };
    expect(translate(plain)).to.deep.equal(plain);
  });
  it('loses architectures that this machine never runs, which libseccomp may not know', () => {
    const architectures = ['SCMP_ARCH_LOONGARCH64', 'SCMP_ARCH_X86_64', 'SCMP_ARCH_ARM'];
    expect(translate(profile({ architectures })).architectures).to.deep.equal(['SCMP_ARCH_X86_64']);
    expect(() => translate(profile({ architectures: ['SCMP_ARCH_AARCH64'] }))).to.throw('SCMP_ARCH_X86_64');
  });
  it('takes its architectures from the map of this machine', () => {
    const archMap = [
      { architecture: 'SCMP_ARCH_AARCH64', subArchitectures: ['SCMP_ARCH_ARM'] },
      { architecture: 'SCMP_ARCH_X86_64', subArchitectures: ['SCMP_ARCH_X86', 'SCMP_ARCH_X32'] },
    ];
    const of = (architecture: string) =>
      translate(profile({ archMap }), [], { ...target, architecture }).architectures;
    expect(of('x64')).to.deep.equal(['SCMP_ARCH_X86_64', 'SCMP_ARCH_X86', 'SCMP_ARCH_X32']);
    expect(of('arm64')).to.deep.equal(['SCMP_ARCH_AARCH64', 'SCMP_ARCH_ARM']);
  });

  const conditions: [what: string, conditions: object, capabilities: string[], counts: boolean][] = [
    ['all capabilities held', { includes: { caps: ['CAP_A', 'CAP_B'] } }, ['CAP_A', 'CAP_B'], true],
    ['one of two held', { includes: { caps: ['CAP_A', 'CAP_B'] } }, ['CAP_A'], false],
    ['one of two excluded held', { excludes: { caps: ['CAP_A', 'CAP_B'] } }, ['CAP_B'], false],
    ['none excluded held', { excludes: { caps: ['CAP_A'] } }, [], true],
    ['this architecture', { includes: { arches: ['amd64', 'arm64'] } }, [], true],
    ['another architecture', { includes: { arches: ['s390x'] } }, [], false],
    ['this architecture excluded', { excludes: { arches: ['amd64'] } }, [], false],
    ['an older kernel', { includes: { minKernel: '4.8' } }, [], true],
    ['this kernel', { includes: { minKernel: '6.1' } }, [], true],
    ['a newer kernel', { includes: { minKernel: '6.10' } }, [], false],
    ['an older kernel excluded', { excludes: { minKernel: '4.8' } }, [], false],
  ];
  for (const [what, set, capabilities, counts] of conditions) {
    it(`${counts ? 'has' : 'lacks'} a rule for ${what}`, () => {
      const { syscalls } = translate(profile({ syscalls: [rule('mount', set)] }), capabilities);
      expect(syscalls?.length).to.equal(counts ? 1 : 0);
    });
  }

  const broken: [what: string, text: string, message: string, kind?: string][] = [
    ['no JSON', 'SCMP', 'no JSON'],
    ['a list', '[]', 'is no seccomp profile'],
    ['no default action', '{}', 'defaultAction is missing'],
    ['an unknown action', '{"defaultAction":"SCMP_ACT_NO"}', 'defaultAction "SCMP_ACT_NO" is no action'],
    ['an unknown field', '{"defaultAction":"SCMP_ACT_ALLOW","syscals":[]}', 'syscals is unknown'],
    [
      'a rule without a call',
      JSON.stringify(profile({ syscalls: [{ names: [], action: allow }] })),
      'syscalls[0].names names no system call',
    ],
    [
      'an unknown field of a rule',
      JSON.stringify(profile({ syscalls: [rule('chmod', { actoin: allow })] })),
      'syscalls[0].actoin is unknown',
    ],
    [
      'an unknown comparison',
      JSON.stringify(profile({ syscalls: [rule('chmod', { args: [{ index: 0, value: 1, op: 'EQ' }] })] })),
      'syscalls[0].args[0].op "EQ" is no comparison',
    ],
    [
      'a seventh argument',
      JSON.stringify(
        profile({ syscalls: [rule('chmod', { args: [{ index: 6, value: 1, op: 'SCMP_CMP_EQ' }] })] }),
      ),
      'syscalls[0].args[0].index is no whole number up to 5',
    ],
    [
      'an errno that the action has not',
      JSON.stringify(profile({ syscalls: [{ names: ['chmod'], action: allow, errnoRet: 1 }] })),
      'syscalls[0].errnoRet does not go with SCMP_ACT_ALLOW',
    ],
    [
      'an unknown architecture',
      JSON.stringify(profile({ architectures: ['amd64'] })),
      'architectures[0] "amd64" is no architecture',
    ],
    [
      'both forms of architectures',
      JSON.stringify(
        profile({
          architectures: ['SCMP_ARCH_X86_64'],
          archMap: [{ architecture: 'SCMP_ARCH_X86_64', subArchitectures: null }],
        }),
      ),
      'architectures is set beside archMap',
    ],
    ['an unknown flag', JSON.stringify(profile({ flags: ['FAST'] })), 'flags[0] "FAST" is no flag'],
    [
      'no version',
      JSON.stringify(profile({ syscalls: [rule('bpf', { includes: { minKernel: 'new' } })] })),
      'syscalls[0].includes.minKernel is no version',
    ],
    [
      'a listener',
      JSON.stringify(profile({ listenerPath: '/run/x.sock' })),
      'listenerPath is not supported',
      'unsupported',
    ],
    [
      'an action that needs one',
      JSON.stringify(profile({ syscalls: [{ names: ['mount'], action: 'SCMP_ACT_NOTIFY' }] })),
      'syscalls[0].action SCMP_ACT_NOTIFY',
      'unsupported',
    ],
  ];
  for (const [what, text, message, kind = 'invalid'] of broken) {
    it(`with ${what} is refused by the place in it`, () => {
      expect(() => parseSeccompProfile(text))
        .to.throw(message)
        .that.includes({ kind });
    });
  }

  const distribution = '/usr/share/containers/seccomp.json';
  (fs.existsSync(distribution) ? it : it.skip)('of the distribution is understood whole', () => {
    const parsed = parseSeccompProfile(fs.readFileSync(distribution, 'utf8'));
    const names = (capabilities: string[]) =>
      seccompFor(parsed, { capabilities, target })
        .syscalls?.filter(({ action }) => action === allow)
        .flatMap((each) => each.names);
    expect(names([])).to.include('read').and.not.to.include('sethostname');
    expect(names(['CAP_SYS_ADMIN'])).to.include('sethostname');
  });
});
