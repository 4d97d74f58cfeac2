import { expect } from 'chai';
import { relabel } from '../../src/pods/security/selinux-relabel.js';
import type { RunOptions } from '../../src/ports/processes.js';

describe('pods: SELinux labels of volumes', () => {
  const label = 'system_u:object_r:container_file_t:s0:c1,c2';
  const field = 'config.mounts[2]';
  const runs: RunOptions[] = [];
  const answering = (exitCode: number, stderr = '') => ({
    run: async (options: RunOptions) => {
      runs.push(options);
      return { exitCode, stdout: Buffer.alloc(0), stderr: Buffer.from(stderr) };
    },
  });
  beforeEach(() => void runs.splice(0));

  it('are given to all that is in it, and to symlinks instead of what they lead to', async () => {
    await relabel(answering(0), { source: '/srv/my data', label, field });
    expect(runs.map(({ argv }) => argv)).to.deep.equal([
      ['chcon', '--recursive', '--no-dereference', label, '/srv/my data'],
    ]);
  });

  it("are never given to the machine's own files", async () => {
    for (const source of ['/', '/etc', '/usr', '/usr/lib/x', '/var', '/proc/1']) {
      const error: unknown = await relabel(answering(0), { source, label, field }).catch(
        (thrown: unknown) => thrown,
      );
      expect(error, source).to.include({ kind: 'invalid', field: `${field}.selinux_relabel` });
    }
    await relabel(answering(0), { source: '/var/lib/volumes/a', label, field });
    expect(runs).to.have.length(1);
  });

  it('that can not be given fail by the name of the field', async () => {
    const refusing = answering(1, 'chcon: failed to change context: Operation not supported\n');
    const error: unknown = await relabel(refusing, { source: '/srv/a', label, field }).catch(
      (thrown: unknown) => thrown,
    );
    expect(error).to.include({ kind: 'tool-failed', field: `${field}.selinux_relabel` });
    expect((error as Error).message).to.include('Operation not supported');
  });
});
