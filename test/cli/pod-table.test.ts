import { expect } from 'chai';
import type { PodShape } from '../../src/cli/kube-shapes.js';
import { ageText, podStatusWord, podTable } from '../../src/cli/pod-table.js';

const nowMs = Date.parse('2026-01-02T00:00:00Z');
const pod: PodShape = {
  metadata: { name: 'web', namespace: 'shop', creationTimestamp: '2026-01-01T23:55:00Z' },
  spec: { nodeName: 'node-a', containers: [{ name: 'a' }, { name: 'b' }] },
  status: {
    phase: 'Running',
    podIP: '10.88.0.5',
    containerStatuses: [
      { name: 'a', ready: true, restartCount: 1, state: { running: {} } },
      { name: 'b', ready: false, restartCount: 2, state: { running: {} } },
    ],
  },
};

describe('get pods', () => {
  it('lines up ready counts, restarts and age', () => {
    const text = podTable([pod], { wide: true, withNamespace: true, nowMs });
    expect(text.split('\n')[1]?.split(/ {3,}/)).to.deep.equal([
      'shop',
      'web',
      '1/2',
      'Running',
      '3',
      '5m',
      '10.88.0.5',
      'node-a',
    ]);
  });

  it('shows what keeps a container from running rather than the phase', () => {
    const status = { name: 'b', state: { waiting: { reason: 'ImagePullBackOff' } } };
    expect(podStatusWord({ ...pod, status: { phase: 'Pending', containerStatuses: [status] } })).to.equal(
      'ImagePullBackOff',
    );
  });

  it('counts finished init containers while the pod waits for them', () => {
    const initContainerStatuses = [
      { name: 'one', state: { terminated: { exitCode: 0 } } },
      { name: 'two', state: { running: {} } },
    ];
    expect(podStatusWord({ ...pod, status: { phase: 'Pending', initContainerStatuses } })).to.equal(
      'Init:1/2',
    );
  });

  it('gives ages in the largest fitting unit', () => {
    const before = (seconds: number) => ageText(new Date(nowMs - seconds * 1000).toISOString(), nowMs);
    expect([before(42), before(300), before(7200), before(200_000)]).to.deep.equal(['42s', '5m', '2h', '2d']);
    expect(ageText(undefined, nowMs)).to.equal('<unknown>');
  });
});
