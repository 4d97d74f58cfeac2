import { expect } from 'chai';
import { backgroundContext, silentLog } from '../../src/base/call-context.js';
import type { ContainerId } from '../../src/base/ids.js';
import type { Host } from '../../src/ports/host.js';
import { LogReopener } from '../../src/runtime/log-reopen.js';
import { SimClock } from '../sim/clock.js';

const logPath = '/logs/0.log';

/** A disk with these files, and a monitor that makes its log anew, over whatever is there, as soon as it is asked. */
function diskWith(there: Map<string, string>): Pick<Host, 'files' | 'processes'> {
  const files = {
    stat: async (file: string) => {
      const text = there.get(file);
      return text === undefined ? undefined : { kind: 'file', sizeBytes: text.length };
    },
    renameIfFree: async (from: string, to: string) => {
      const text = there.get(from);
      if (text === undefined || there.has(to)) return false;
      there.delete(from);
      there.set(to, text);
      return true;
    },
    writeAtomic: async () => undefined,
    removeTree: async (file: string) => void there.delete(file),
    takeFromFifo: async () => '',
    writeToFifo: async () => void there.set(logPath, ''),
    watch: () => () => undefined,
  };
  const processes = { hasOpen: async () => false };
  return { files, processes } as unknown as Pick<Host, 'files' | 'processes'>;
}

describe('runtime: a log that is made anew', () => {
  it('keeps another file in its place, though the name that it is moved to is taken', async () => {
    const clock = new SimClock();
    const there = new Map([[logPath, 'first']]);
    const reopener = new LogReopener({ ...diskWith(there), clock, log: silentLog });
    const target = {
      id: 'c1' as ContainerId,
      handler: 'crun',
      bundle: '/bundle',
      cgroupPath: undefined,
      logPath,
      monitor: { pid: 7, startTicks: '7' },
    };
    await reopener.reopen(target, backgroundContext(silentLog));
    there.set(logPath, 'second');
    await reopener.reopen(target, backgroundContext(silentLog));
    expect([...there.values()].sort(), 'no time has passed between the two').to.deep.equal([
      '',
      'first',
      'second',
    ]);
  });
});
