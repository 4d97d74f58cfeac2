import { expect } from 'chai';
import { LogRotation } from '../../../src/agent/logs/rotation.js';
import type { PodLog } from '../../../src/agent/logs/rotation.js';
import type { RotationParts } from '../../../src/agent/logs/rotation-steps.js';
import { silentLog } from '../../../src/base/call-context.js';
import { SimClock } from '../../sim/clock.js';

const slowMs = 5000;
const log: PodLog = {
  containerId: 'c',
  path: '/logs/0.log',
  running: true,
  attempt: 0,
  labels: { uid: '', namespace: '', pod: 'p', container: 'c' },
};

describe('agent: how soon a log is looked at again', () => {
  it('is soon after a rotation that the disk made slow: a fast log has grown on meanwhile', async () => {
    const clock = new SimClock();
    const looksMs: number[] = [];
    let emptyAtMs = clock.monotonicMs();
    let newMs = 0;
    const files = {
      stat: async () => {
        looksMs.push(clock.monotonicMs());
        return { sizeBytes: clock.monotonicMs() - emptyAtMs };
      },
      list: async () => [],
      renameIfFree: async () => true,
      removeTree: async () => undefined,
    };
    const runtime = {
      ReopenContainerLog: async () => {
        await clock.sleep(slowMs);
        emptyAtMs = newMs = clock.monotonicMs();
        return {};
      },
    };
    const parts = {
      clock,
      files,
      log: silentLog,
      cri: { runtime },
      config: { logs: { maxSizeBytes: 200, maxFiles: 5, checkPeriodMs: 2 * slowMs } },
    } as unknown as RotationParts;
    const abort = new AbortController();
    const metrics = { logRotation: () => undefined };
    const rotation = new LogRotation({ ...parts, metrics }, () => [log], abort.signal);
    rotation.start();
    await clock.advance(1.5 * slowMs);
    expect(newMs, 'when the new log began').to.be.greaterThan(0);
    const next = looksMs.find((atMs) => atMs > newMs) ?? Infinity;
    expect(next - newMs).to.be.at.most(200);
    abort.abort();
    await clock.drive(rotation.stop());
  });
});
