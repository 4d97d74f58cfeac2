import { expect } from 'chai';
import { unmountedControllers } from '../../src/host/stranded-controllers.js';

/** As read on a Debian 12 machine whose hugetlb hierarchy had been unmounted a moment after its groups were removed. */
const selfCgroup = [
  '12:hugetlb:/',
  '9:name=systemd:/',
  '4:memory:/process_api/9db4',
  '3:cpuset:/',
  '2:cpu,cpuacct:/',
  '0::/',
  '',
].join('\n');

describe('host: controllers that are mounted nowhere', () => {
  it('are those of v1 hierarchies without a mount, by name', () => {
    expect(unmountedControllers(selfCgroup, ['memory', 'cpuset', 'cpu', 'cpuacct', 'systemd'])).to.deep.equal(
      ['hugetlb'],
    );
    expect(unmountedControllers(selfCgroup, ['hugetlb', 'memory', 'cpuset', 'cpuacct'])).to.deep.equal([
      'cpu',
    ]);
  });

  it('are none on a machine of v2 alone, nor where all are mounted', () => {
    expect(unmountedControllers('0::/user.slice\n', [])).to.deep.equal([]);
    expect(unmountedControllers(selfCgroup, ['hugetlb', 'memory', 'cpuset', 'cpu', 'cpuacct'])).to.deep.equal(
      [],
    );
  });
});
