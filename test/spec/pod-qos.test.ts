import { expect } from 'chai';
import { oomScoreAdj, qosClass } from '../../src/spec/manifests/pod-qos.js';
import type { PodContainer, PodManifest } from '../../src/spec/manifests/pod-types.js';

type Resources = PodContainer['resources'];
const podOf = (...all: Resources[]): PodManifest => {
  const containers = all.map((resources, index) => ({
    name: `c${index}`,
    image: 'x',
    ...(resources && { resources }),
  }));
  return { spec: { initContainers: [], containers } } as unknown as PodManifest;
};
const machine = 8 * 1024 ** 3;
const scoreOf = (...all: Resources[]) => {
  const pod = podOf(...all);
  const [first] = pod.spec.containers;
  if (first === undefined) throw new Error('no container');
  return oomScoreAdj(pod, first, machine);
};
const full = { cpu: '500m', memory: '1Gi' };

describe('spec: classes of service', () => {
  it('is Guaranteed when every container has limits and requests no less', () => {
    expect(qosClass(podOf({ limits: full }, { limits: full, requests: { cpu: '0.5' } }))).to.equal(
      'Guaranteed',
    );
    expect(qosClass(podOf({ limits: full }, { limits: { cpu: '1' } }))).to.equal('Burstable');
    expect(qosClass(podOf({ limits: full, requests: { memory: '512Mi' } }))).to.equal('Burstable');
  });

  it('is BestEffort when nobody asks for anything', () => {
    expect(qosClass(podOf(undefined, { requests: { cpu: '0' } }))).to.equal('BestEffort');
    expect(qosClass(podOf(undefined, { requests: { cpu: '1m' } }))).to.equal('Burstable');
  });

  it('spares a container the longer the more memory it requests', () => {
    expect(scoreOf({ limits: full })).to.equal(-997);
    expect(scoreOf(undefined)).to.equal(1000);
    expect(scoreOf({ requests: { memory: '2Gi' } })).to.equal(750);
    expect(scoreOf({ limits: { memory: '2Gi' } }), 'the limit where there is no request').to.equal(750);
    expect(scoreOf({ requests: { cpu: '1' } })).to.equal(999);
    expect(scoreOf({ requests: { memory: '9Gi' } })).to.equal(2);
  });
});
