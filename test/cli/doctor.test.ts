import { expect } from 'chai';
import { diagnose, renderFindings } from '../../src/cli/doctor.js';
import type { MachineFacts } from '../../src/ports/machine-facts.js';

const good: MachineFacts = {
  kernelRelease: '6.1.0-18-amd64',
  nodeVersion: 'v20.19.0',
  uid: 0,
  overlay: 'in the kernel',
  missingNamespaces: [],
  seccomp: { supported: true, profilePath: '/usr/share/containers/seccomp.json' },
  nftablesTrouble: undefined,
  cgroup: { version: 'v2', strandedControllers: [] },
  fixHybridCgroups: true,
  binaries: [
    {
      name: 'conmon',
      packageName: 'conmon',
      required: true,
      path: '/usr/bin/conmon',
      version: 'conmon 2.1.6',
    },
  ],
  capSysAdmin: true,
  capSysResource: true,
  ipForward: true,
  runDir: { path: '/run/nodelet', fileSystem: 'tmpfs' },
  ports: [{ address: '127.0.0.1:9477', use: 'metrics', free: true }],
};
const verdictOf = (facts: Partial<MachineFacts>, check: string) =>
  diagnose({ ...good, ...facts }).find((finding) => finding.check === check);

describe('nodelet doctor', () => {
  it('finds nothing to do on a good machine and exits with 0', () => {
    const findings = diagnose(good);
    expect(findings.map(({ verdict }) => verdict)).to.satisfy((all: string[]) =>
      all.every((one) => one === 'ok'),
    );
    expect(renderFindings(findings).exitCode).to.equal(0);
  });

  it('fails a missing required binary and names its package', () => {
    const missing = {
      name: 'conmon',
      packageName: 'conmon',
      required: true,
      path: undefined,
      version: undefined,
    };
    const finding = verdictOf({ binaries: [missing] }, 'conmon');
    expect(finding?.verdict).to.equal('fail');
    expect(finding?.remedy).to.equal('apt-get install conmon');
    expect(renderFindings(diagnose({ ...good, binaries: [missing] })).exitCode).to.equal(1);
  });

  it('warns of stranded controllers that the daemon will mount, fails them where it may not', () => {
    const cgroup = { version: 'hybrid' as const, strandedControllers: ['hugetlb'] };
    expect(verdictOf({ cgroup }, 'cgroups')?.verdict).to.equal('warn');
    expect(verdictOf({ cgroup, fixHybridCgroups: false }, 'cgroups')?.verdict).to.equal('fail');
  });

  it('takes overlayfs that is a module yet to be loaded', () => {
    expect(verdictOf({ overlay: 'a module' }, 'overlayfs')?.verdict).to.equal('ok');
    expect(verdictOf({ overlay: 'none' }, 'overlayfs')?.verdict).to.equal('fail');
  });

  it('gives a remedy with everything that is not ok', () => {
    const bad = diagnose({
      ...good,
      kernelRelease: '4.19.0',
      uid: 1000,
      nodeVersion: 'v18.0.0',
      overlay: 'none',
      missingNamespaces: ['pid'],
      seccomp: { supported: true, profilePath: undefined },
      nftablesTrouble: 'Operation not permitted',
      capSysAdmin: false,
      capSysResource: false,
      ipForward: false,
      runDir: { path: '/run/nodelet', fileSystem: 'other' },
      ports: [{ address: '127.0.0.1:9477', use: 'metrics', free: false }],
    });
    const notOk = bad.filter(({ verdict }) => verdict !== 'ok');
    expect(notOk).to.have.length(12);
    for (const { check, remedy } of notOk) expect(remedy, check).not.to.equal('');
  });
});
