import { expect } from 'chai';
import { NodeletError } from '../../src/base/errors.js';
import { podCidr, refuseOverlap } from '../../src/network/pod-ranges.js';
import { gatewayOf, subnetText } from '../../src/network/subnet.js';

function errorOf(work: () => unknown): NodeletError {
  try {
    work();
  } catch (thrown) {
    if (thrown instanceof NodeletError) return thrown;
    throw thrown;
  }
  throw new Error('it should have been refused');
}

describe('network: the range that a cluster assigns', () => {
  it('is an IPv4 range, taken with any of its addresses', () => {
    for (const given of ['10.244.1.0/24', '10.244.1.77/24', ' 10.244.1.0/24']) {
      expect(subnetText(podCidr(given)), given).to.equal('10.244.1.0/24');
    }
    expect(gatewayOf(podCidr('10.244.1.128/25'))).to.equal('10.244.1.129');
  });

  for (const [what, given, kind] of [
    ['no range', 'none', 'invalid'],
    ['an address without a prefix', '10.244.1.0', 'invalid'],
    ['an octet out of range', '10.256.0.0/16', 'invalid'],
    ['a range too small for a pod', '10.244.1.0/31', 'invalid'],
    ['a range of nearly everything', '0.0.0.0/0', 'invalid'],
    ['IPv6', 'fd00:10:244::/64', 'unsupported'],
    ['both families', '10.244.1.0/24,fd00:10:244::/64', 'unsupported'],
  ] as const) {
    it(`is refused by field: ${what}`, () => {
      expect(errorOf(() => podCidr(given))).to.include({
        kind,
        field: 'runtime_config.network_config.pod_cidr',
      });
    });
  }

  it('may not overlap another that pods have addresses of, but may be the same', () => {
    const held = [podCidr('10.244.1.0/24')];
    refuseOverlap(podCidr('10.244.1.0/24'), held);
    refuseOverlap(podCidr('10.244.2.0/24'), held);
    for (const given of ['10.244.0.0/16', '10.244.1.128/25']) {
      const error = errorOf(() => refuseOverlap(podCidr(given), held));
      expect(error, given).to.include({ kind: 'wrong-state' });
      expect(error.describe()).to.include('pod_cidr').and.include('10.244.1.0/24');
    }
  });
});
