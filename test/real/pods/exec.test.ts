import { expect } from 'chai';
import {
  newExecSyncRequest,
  newKeyValue,
  newLinuxContainerConfig,
  newLinuxContainerSecurityContext,
  newSecurityProfile,
  newStopContainerRequest,
} from '../../../src/ports/cri/messages.js';
import { PodClient, failure } from '../pod-client.js';
import { startRealNode, waitFor } from '../real-node.js';
import type { RealNode } from '../real-node.js';

for (const handler of ['crun', 'runc']) {
  describe(`pods: ExecSync (real ${handler})`, () => {
    let node: RealNode;
    let pods: PodClient;
    let id = '';
    before(async () => {
      node = await startRealNode();
      pods = await PodClient.on(node);
      id = await pods.run(await pods.runPod({}, handler), {
        working_dir: '/tmp',
        envs: [newKeyValue({ key: 'A', value: new TextEncoder().encode('own') })],
        linux: newLinuxContainerConfig({
          security_context: newLinuxContainerSecurityContext({
            run_as_username: 'app',
            no_new_privs: true,
            seccomp: newSecurityProfile(),
          }),
        }),
      });
    });
    after(() => node.dispose());

    const execFor = (seconds: number, line: string) =>
      node.cri.runtime.ExecSync(
        newExecSyncRequest({ container_id: id, cmd: ['sh', '-c', line], timeout: String(seconds) }),
        node.ctx,
      );
    const sleepers = async () => (await pods.shell(id, 'ps -o args')).match(/sleep 77\d+/g) ?? [];

    it('gives both streams and the exit code', async () => {
      const outcome = await pods.exec(id, 'sh', '-c', 'echo out; echo err >&2; exit 7');
      expect(outcome).to.deep.equal({ exitCode: 7, stdout: 'out\n', stderr: 'err\n' });
      expect((await pods.exec(id, 'sh', '-c', 'kill -9 $$')).exitCode).to.equal(137);
    });

    it('gives output whole, however large within the limit', async () => {
      const { stdout } = await pods.exec(id, 'sh', '-c', 'yes 0123456789abcdef | head -c 3000000');
      expect(stdout).to.have.length(3_000_000);
    });

    it('refuses more output than an answer holds, on one stream or on both together', async () => {
      for (const line of ['yes | head -c 17000000', 'yes | head -c 9000000; yes | head -c 9000000 >&2']) {
        const error = await failure(pods.exec(id, 'sh', '-c', line));
        expect(error).to.include({ kind: 'exhausted' });
        expect(error.message).to.match(/^cmd: the command printed more than 16776192 bytes/);
      }
      expect((await pods.exec(id, 'sh', '-c', 'yes | head -c 16776192')).stdout).to.have.length(16_776_192);
    });

    it("runs as the container's own process does", async () => {
      const line = 'id -u; pwd; echo $A; grep -E "^(CapEff|NoNewPrivs|Seccomp):" /proc/self/status';
      const [uid, cwd, env, ...status] = (await pods.shell(id, line)).split('\n');
      expect([uid, cwd, env]).to.deep.equal(['1000', '/tmp', 'own']);
      const values = status.map((text) => text.split(/:\s*/));
      expect(Object.fromEntries(values)).to.deep.equal({
        CapEff: '0000000000000000',
        NoNewPrivs: '1',
        Seccomp: '2',
      });
    });

    it('takes a command with dashes for a command', async () => {
      for (const word of ['-x', '--help', '--']) {
        const error = await failure(pods.exec(id, word));
        expect(error, word).to.include({ kind: 'invalid' });
        expect(error.message, word).to.match(/^cmd: .*not found/);
      }
    });

    it('refuses a command that is not there, or is no program', async () => {
      const missing = await failure(pods.exec(id, 'nosuch'));
      expect(missing).to.include({ kind: 'invalid' });
      expect(missing.message).to.match(/^cmd: .*nosuch/);
      expect(await failure(pods.exec(id, '/etc/passwd'))).to.include({ kind: 'invalid' });
      expect((await pods.exec(id, 'sh', '-c', 'nosuch')).exitCode, 'the shell’s own answer').to.equal(127);
    });

    // runc's own log has nothing of it: there the program has ended with 1, and what is wrong stands in its stderr.
    if (handler === 'crun') {
      it('refuses a script without its interpreter', async () => {
        const root = await pods.run(await pods.runPod({}, handler));
        await pods.shell(root, 'printf "#!/no/such\\n" > /tmp/script; chmod +x /tmp/script');
        const error = await failure(pods.exec(root, '/tmp/script'));
        expect(error).to.include({ kind: 'invalid' });
        expect(error.message).to.match(/^cmd: the command can't be run: exec: No such file or directory/);
      });
    }

    it('ends at its timeout, and the whole process tree with it', async () => {
      // A child, a grandchild whose parent has gone, and one that ignores SIGTERM.
      const line = 'sleep 771 & (sleep 772 &) ; sh -c "trap : TERM; sleep 773; sleep 774"; sleep 775';
      const error = await failure(execFor(1, line));
      expect(error).to.include({
        kind: 'deadline',
        message: 'timeout: the command took longer than 1000 ms',
      });
      await waitFor('the tree is dead', async () => (await sleepers()).length === 0, 5_000);
      expect((await pods.status(id)).state).to.equal('CONTAINER_RUNNING');
    });

    // runc itself waits for the end of the output that it passes on; the timeout holds there too.
    if (handler === 'crun') {
      it('returns when the command ends, though something it started still holds its output', async () => {
        const answer = await execFor(30, 'sleep 776 & echo started');
        expect(Buffer.from(answer.stdout).toString()).to.equal('started\n');
        expect(await sleepers()).to.deep.equal(['sleep 776']);
      });
    }
    it('refuses an empty command, a negative timeout, and a container that does not run', async () => {
      expect((await failure(pods.exec(id))).message).to.match(/^cmd:/);
      expect((await failure(pods.exec(id, 'echo', 'a\0b'))).message).to.match(/^cmd\[1\]:/);
      expect((await failure(execFor(-1, 'true'))).message).to.match(/^timeout:/);
      expect(await failure(pods.exec('0123456789ab', 'true'))).to.include({ kind: 'not-found' });
      await node.cri.runtime.StopContainer(newStopContainerRequest({ container_id: id }), node.ctx);
      expect(await failure(pods.exec(id, 'true'))).to.include({ kind: 'wrong-state' });
    });
  });
}
