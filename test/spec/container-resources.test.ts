import { expect } from 'chai';
import fc from 'fast-check';
import { NodeletError } from '../../src/base/errors.js';
import { newLinuxContainerResources as resources } from '../../src/ports/cri/messages.js';
import type { LinuxContainerResources } from '../../src/ports/cri/messages.js';
import { cgroupLimits, fieldOfLimit, podResources } from '../../src/spec/resources/cgroup-limits.js';
import { mergeResources, ociLimits } from '../../src/spec/resources/container-resources.js';
import { cpuRanges, cpusIn } from '../../src/spec/resources/cpu-list.js';
import { validatePodResources, validateResources } from '../../src/spec/resources/resources-validate.js';
import { plainMachine } from './plain-machine.js';

const v1 = plainMachine;
const v2 = { ...plainMachine, cgroupV2: true };
const check = (set: Partial<LinuxContainerResources>, machine = v1) =>
  validateResources(resources(set), { base: 'r', machine, ofContainer: true });
const refusal = (set: Partial<LinuxContainerResources>, machine = v1): string => {
  try {
    check(set, machine);
    return 'accepted';
  } catch (thrown) {
    if (!(thrown instanceof NodeletError)) throw thrown;
    return `${thrown.kind} ${thrown.field}`;
  }
};

describe('spec: resources', () => {
  it('are refused by their field where they are no limits, or none of this machine', () => {
    const cases: [Partial<LinuxContainerResources>, string][] = [
      [{ cpu_quota: '999' }, 'invalid r.cpu_quota'],
      [{ cpu_quota: '-2' }, 'invalid r.cpu_quota'],
      [{ cpu_quota: String(2n ** 44n) }, 'invalid r.cpu_quota'],
      [{ cpu_period: '1000001' }, 'invalid r.cpu_period'],
      [{ cpu_period: '-1' }, 'invalid r.cpu_period'],
      [{ cpu_shares: '262145' }, 'invalid r.cpu_shares'],
      [{ memory_limit_in_bytes: '65535' }, 'invalid r.memory_limit_in_bytes'],
      [{ memory_limit_in_bytes: '-2' }, 'invalid r.memory_limit_in_bytes'],
      [{ memory_limit_in_bytes: String(2n ** 53n) }, 'invalid r.memory_limit_in_bytes'],
      [
        { memory_limit_in_bytes: '-1', memory_swap_limit_in_bytes: '1000000' },
        'invalid r.memory_swap_limit_in_bytes',
      ],
      [{ oom_score_adj: '-1001' }, 'invalid r.oom_score_adj'],
      [{ cpuset_cpus: '0-4' }, 'invalid r.cpuset_cpus'],
      [{ cpuset_cpus: '2-1' }, 'invalid r.cpuset_cpus'],
      [{ cpuset_cpus: '0-99999999999' }, 'invalid r.cpuset_cpus'],
      [{ cpuset_mems: '1' }, 'invalid r.cpuset_mems'],
      [{ hugepage_limits: [{ page_size: '2M', limit: '0' }] }, 'invalid r.hugepage_limits[0].page_size'],
      [
        { hugepage_limits: [{ page_size: '2MB', limit: String(2n ** 63n) }] },
        'invalid r.hugepage_limits[0].limit',
      ],
      [{ unified: { 'memory.max': '1' } }, 'unsupported r.unified["memory.max"]'],
      [{ unified: { 'pids.max': '0' } }, 'invalid r.unified["pids.max"]'],
      [{ unified: { 'pids.max': 'max' } }, 'accepted'],
      [{ unified: { '../pids.max': '1' } }, 'invalid r.unified["../pids.max"]'],
      [{ cpu_quota: '-1', memory_limit_in_bytes: '-1', memory_swap_limit_in_bytes: '-1' }, 'accepted'],
      [{ hugepage_limits: [{ page_size: '1GB', limit: '0' }] }, 'accepted'],
      [{ cpuset_cpus: '0,2-3', cpuset_mems: '0' }, 'accepted'],
    ];
    for (const [set, outcome] of cases) expect(refusal(set), JSON.stringify(set)).to.equal(outcome);
  });

  it('of cgroup v2 are refused by their key where no limit can come of them', () => {
    const cases: [key: string, value: string, outcome: string][] = [
      ['memory.oom.group', '1', 'accepted'],
      ['memory.high', 'max', 'accepted'],
      ['cgroup.max.depth', '3', 'accepted'],
      ['cgroup.freeze', '1', 'invalid r.unified["cgroup.freeze"]'],
      ['cgroup.procs', '1', 'invalid r.unified["cgroup.procs"]'],
      ['io.max', '8:0 rbps=1', 'unsupported r.unified["io.max"]'],
      ['memory.high', '', 'invalid r.unified["memory.high"]'],
      ['memory', '1', 'invalid r.unified["memory"]'],
    ];
    for (const [key, value, outcome] of cases) {
      expect(refusal({ unified: { [key]: value } }, v2), key).to.equal(outcome);
    }
  });

  it('need the controller, and a kernel that limits swap', () => {
    const bare = { ...v1, cgroupControllers: [], swapLimits: false };
    for (const set of [
      { cpu_shares: '2' },
      { cpuset_cpus: '0' },
      { memory_limit_in_bytes: '1000000' },
      { unified: { 'pids.max': '1' } },
      { hugepage_limits: [{ page_size: '2MB', limit: '1' }] },
    ]) {
      expect(refusal(set, bare), JSON.stringify(set)).to.match(/^unsupported r\./);
    }
    const swapless = { ...v1, swapLimits: false };
    expect(
      refusal({ memory_limit_in_bytes: '1000000', memory_swap_limit_in_bytes: '-1' }, swapless),
    ).to.equal('unsupported r.memory_swap_limit_in_bytes');
  });

  it('of a pod may be smaller than a process, but have no score', () => {
    const rules = { base: 'p', machine: v1 };
    expect(() => validatePodResources(resources({ memory_limit_in_bytes: '100' }), rules)).not.to.throw();
    expect(() => validatePodResources(resources({ oom_score_adj: '1' }), rules))
      .to.throw(NodeletError)
      .that.includes({ field: 'p.oom_score_adj', kind: 'unsupported' });
  });

  it('become those of the OCI spec: the unified map on v2, its number of processes on v1', () => {
    const asked = resources({ unified: { 'pids.max': '7' }, cpu_quota: '-1', memory_limit_in_bytes: '9' });
    const usual = { memory: { limit: 9 }, cpu: { quota: -1 } };
    expect(ociLimits(asked, v1)).to.deep.equal({ ...usual, pids: { limit: 7 } });
    expect(ociLimits(asked, v2)).to.deep.equal({ ...usual, unified: { 'pids.max': '7' } });
    expect(cgroupLimits(asked, v1)).to.deep.equal({ cpuQuotaUs: -1, memoryBytes: 9, pids: 7 });
    expect(cgroupLimits(asked, v2)).to.deep.equal({
      cpuQuotaUs: -1,
      memoryBytes: 9,
      unified: { 'pids.max': '7' },
    });
  });

  it('of an update go over those in force, field by field and key by key', () => {
    const inForce = resources({
      cpu_shares: '5',
      cpuset_cpus: '1',
      unified: { a: '1', b: '1' },
      hugepage_limits: [{ page_size: '2MB', limit: '5' }],
    });
    expect(mergeResources(inForce, resources())).to.deep.equal(inForce);
    expect(
      mergeResources(
        inForce,
        resources({
          cpuset_cpus: '0',
          unified: { b: '2' },
          hugepage_limits: [{ page_size: '2MB', limit: '0' }],
        }),
      ),
    ).to.deep.equal({
      ...inForce,
      cpuset_cpus: '0',
      unified: { a: '1', b: '2' },
      hugepage_limits: [{ page_size: '2MB', limit: '0' }],
    });
  });

  it('and the overhead of a pod add up, where there is a limit to add to', () => {
    const overhead = resources({
      memory_limit_in_bytes: '10',
      cpu_quota: '10000',
      cpu_period: '50000',
      cpu_shares: '3',
    });
    const sums = resources({ memory_limit_in_bytes: '100', cpu_quota: '50000', cpu_shares: '4' });
    expect(podResources(sums, overhead)).to.include({
      memory_limit_in_bytes: '110',
      cpu_quota: '70000',
      cpu_shares: '7',
    });
    expect(podResources(resources(), overhead)).to.deep.equal(resources());
    expect(podResources(null, overhead)).to.deep.equal(resources());
    expect(podResources(sums, null)).to.deep.equal(sums);
  });

  it('are named in errors as the request has them', () => {
    expect(fieldOfLimit('memoryBytes')).to.equal('memory_limit_in_bytes');
    expect(fieldOfLimit('unified["a.b"]')).to.equal('unified["a.b"]');
    expect(fieldOfLimit('pids')).to.equal('unified["pids.max"]');
  });

  it('name CPUs as the kernel lists them', () => {
    const number = fc.nat(64);
    fc.assert(
      fc.property(fc.array(fc.tuple(number, number), { minLength: 1 }), (pairs) => {
        const ranges = pairs.map(([a, b]): [number, number] => [Math.min(a, b), Math.max(a, b)]);
        const list = ranges
          .map(([first, last]) => (first === last ? `${first}` : `${first}-${last}`))
          .join(',');
        expect(cpuRanges(list)).to.deep.equal(ranges);
      }),
    );
    expect(cpusIn('0-2,5\n')).to.deep.equal([0, 1, 2, 5]);
    expect(cpusIn('')).to.deep.equal([]);
  });
});
