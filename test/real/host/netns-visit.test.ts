import { spawnSync } from 'node:child_process';
import { expect } from 'chai';

const module = new URL('../../../src/host/netns-visit.js', import.meta.url).href;

/** Runs a script in a Node of its own, for what must not happen in this one. */
function runScript(body: string): { signal: string | null; stdout: string; stderr: string } {
  const script = `import fs from 'node:fs';\nimport { visitNetns } from '${module}';\n${body}`;
  const result = spawnSync(process.execPath, ['--input-type=module', '-e', script], { encoding: 'utf8' });
  return { signal: result.signal, stdout: result.stdout, stderr: result.stderr };
}

describe('host: visits to a network namespace (real kernel)', () => {
  it('ends the process when there is no way back, before anything else runs', () => {
    // The way back is an open file: closed by hand, it is gone.
    const { signal, stdout, stderr } = runScript(`
      setImmediate(() => console.log('went on in the pod'));
      visitNetns(() => undefined, () => {
        for (const fd of fs.readdirSync('/proc/self/fd')) {
          try { if (fs.readlinkSync('/proc/self/fd/' + fd).startsWith('net:')) fs.closeSync(Number(fd)); } catch {}
        }
      });
    `);
    expect(signal).to.equal('SIGABRT');
    expect(stdout).to.equal('');
    expect(stderr).to.include('the way back into the host network namespace failed');
  });

  it('comes back when the work fails, and stays where it was when it does not get in', () => {
    const { stdout } = runScript(`
      const home = fs.readlinkSync('/proc/thread-self/ns/net');
      const descriptors = fs.readdirSync('/proc/self/fd').length;
      const failures = [() => visitNetns(() => undefined, () => { throw new Error('work'); }),
        () => visitNetns(() => { throw new Error('entry'); }, () => console.log('worked'))];
      const said = failures.map((failing) => { try { return failing(); } catch (thrown) { return thrown.message; } });
      const stayed = fs.readlinkSync('/proc/thread-self/ns/net') === home;
      const closed = fs.readdirSync('/proc/self/fd').length === descriptors;
      console.log(JSON.stringify({ said, stayed, closed }));
    `);
    expect(JSON.parse(stdout)).to.deep.equal({ said: ['work', 'entry'], stayed: true, closed: true });
  });
});
