import { expect } from 'chai';
import { removeOldRuns } from '../../../src/agent/logs/old-runs.js';
import { Session } from '../../sim/host/session.js';
import { simHost } from '../../sim/host/sim-host.js';
import { SimMachine } from '../../sim/machine/machine.js';

const folder = '/logs/main';
const stamp = '20260131-235959.123';

/** What is left of `names` after the runs before `kept` were removed. */
async function left(names: readonly string[], kept: readonly number[]): Promise<string[]> {
  const machine = new SimMachine(1);
  const { files } = simHost(new Session(machine, () => undefined));
  machine.files.makeDir(folder);
  for (const name of names) machine.files.write(`${folder}/${name}`, 'x');
  await removeOldRuns(files, folder, kept);
  return machine.files.list(folder);
}

describe('the logs of a container that has run often', () => {
  it('go with all their rotated files, but for those of runs that the runtime has and of the last', async () => {
    const gone = [
      '0.log',
      `0.log.${stamp}`,
      `0.log.${stamp}.gz`,
      `0.log.${stamp}.gz.tmp`,
      '1.log',
      '0.log.tmp',
    ];
    const staying = ['2.log', `2.log.${stamp}.gz`, '3.log'];
    expect(await left([...gone, ...staying], [2, 3])).to.have.members(staying);
  });

  it('are told apart by number, not by how it is spelt', async () => {
    expect(await left(['1.log', '2.log', `1.log.${stamp}`, '10.log', '9.log'], [9])).to.have.members([
      '9.log',
      '10.log',
    ]);
  });

  it('leave the last run where the runtime has none, as after a new sandbox', async () => {
    expect(await left(['3.log', '4.log', `4.log.${stamp}`], [])).to.have.members(['4.log', `4.log.${stamp}`]);
  });

  it('are all that goes: what a stranger has put there stays', async () => {
    const strangers = ['notes', 'x1.log', '1.logs', 'a.log'];
    expect(await left([...strangers, '0.log', '1.log'], [1])).to.have.members([...strangers, '1.log']);
  });

  it('may be none yet', async () => expect(await left([], [])).to.deep.equal([]));
});
