import { expect } from 'chai';
import { createClock } from '../../src/host/clock.js';

describe('host: clock', () => {
  it('tells the wall clock as it is set now, also after a step', () => {
    const clock = createClock();
    const { hrtime } = process;
    try {
      // A step of two hours against the monotonic clock.
      const stepped = { bigint: () => hrtime.bigint() - 7_200_000_000_000n };
      Object.defineProperty(process, 'hrtime', { value: stepped, configurable: true, writable: true });
      const before = BigInt(Date.now()) * 1_000_000n;
      expect(clock.nowNs() >= before).to.equal(true);
    } finally {
      Object.defineProperty(process, 'hrtime', { value: hrtime, configurable: true, writable: true });
    }
  });

  it('wakes a sleeper at an abort, with its reason', async () => {
    const stop = new AbortController();
    const sleeping = createClock().sleep(60_000, stop.signal);
    stop.abort(new Error('enough'));
    expect(await sleeping.catch((thrown: unknown) => thrown)).to.have.property('message', 'enough');
  });
});
