import { spawn } from 'node:child_process';
import { createHash } from 'node:crypto';
import { expect } from 'chai';
import { createApiClient } from '../../../src/cli/api-client.js';
import type { RealNode } from '../real-node.js';
import { startRealNode, waitFor } from '../real-node.js';
import { AgentClient, shellPod } from '../agent/agent-client.js';
import { cli, cliArgv, watch } from './nodelet-cli.js';

describe('logs: from containers under conmon to the command line (real)', () => {
  let node: RealNode;
  let image: string;
  const nodelet = (line: string, input?: string) => cli(node, line.split(' '), input);
  const apply = async (text: string): Promise<void> => {
    expect(await nodelet('apply -f -', text)).to.include({ exitCode: 0 });
  };
  const bytesOf = async (pod: string, query: Record<string, string> = {}): Promise<Buffer> => {
    const chunks: Buffer[] = [];
    const path = `/api/v1/namespaces/default/pods/${pod}/log`;
    await createApiClient(node.config.apiSocket)
      .stream({ method: 'GET', path, query }, (chunk) => void chunks.push(chunk))
      .catch(() => undefined);
    return Buffer.concat(chunks);
  };
  before(async () => {
    node = await startRealNode();
    image = await node.image();
  });
  after(() => node?.dispose());

  it('keeps every byte of what is no text, and a line of 10 MB', async () => {
    const allBytes = Buffer.from(Array.from({ length: 256 }, (_, byte) => byte));
    const octal = [...allBytes].map((byte) => `\\0${byte.toString(8).padStart(3, '0')}`).join('');
    const line = "head -c 10485760 /dev/zero | tr '\\0' x; echo";
    await apply(shellPod('bytes', { image, script: `printf '%b' '${octal}'; ${line}; exec sleep 1000000` }));
    const whole = Buffer.concat([allBytes, Buffer.alloc(10 * 1024 * 1024, 'x'), Buffer.from('\n')]);
    let seen: Buffer = Buffer.alloc(0);
    await waitFor('the long line', async () => {
      seen = await bytesOf('bytes');
      return seen.length >= whole.length;
    });
    const hash = (bytes: Buffer): string => createHash('sha256').update(bytes).digest('hex');
    expect(hash(seen)).to.equal(hash(whole));
    const tail = await bytesOf('bytes', { tailLines: '1', timestamps: 'true' });
    expect(tail.length).to.be.within(10 * 1024 * 1024, whole.length + 40);
    expect(tail.toString('latin1', 0, 5)).to.match(/^\d{4}-$/);
  });

  it('follows a container over its restarts, from before its first start to its end', async () => {
    const following = await watch({ argv: cliArgv(node, 'logs', '-f', 'counts'), stdin: false });
    const early = await following.done;
    expect(early.stderr).to.contain('pod default/counts not found');
    const script = 'echo begin; sleep 1; echo end; exit 1';
    await apply(shellPod('counts', { image, script }));
    const follower = await watch({ argv: cliArgv(node, 'logs', '-f', 'counts'), stdin: false });
    await waitFor('the second run', () => follower.stdout().split('begin\nend\n').length > 2);
    expect(follower.stdout()).to.match(/^(begin\nend\n){2}/);
    expect((await nodelet('logs counts --previous')).stdout).to.equal('begin\nend\n');
    expect((await nodelet('delete pod counts --grace-period 0')).exitCode).to.equal(0);
    expect((await follower.done).exitCode).to.equal(0);
  });

  it('prints several containers one after the other, and several at once behind their names', async () => {
    const spec = `apiVersion: v1
kind: Pod
metadata: {name: many, labels: {app: many}}
spec:
  restartPolicy: Never
  initContainers:
  - {name: first, image: "${image}", command: [echo, prepared]}
  containers:
  - {name: a, image: "${image}", command: [sh, -c, "echo from a"]}
  - {name: b, image: "${image}", command: [sh, -c, "echo from b >&2"]}
`;
    await apply(spec);
    await new AgentClient(node).until('many', 'over', ({ status }) => status.phase === 'Succeeded');
    expect((await nodelet('logs many --all-containers')).stdout).to.equal('prepared\nfrom a\nfrom b\n');
    expect((await nodelet('logs -l app=many -c a -c b --prefix')).stdout).to.equal(
      '[pod/many/a] from a\n[pod/many/b] from b\n',
    );
    const defaulted = await nodelet('logs pod/many');
    expect(defaulted.stdout).to.equal('from a\n');
    expect(defaulted.stderr).to.equal('Defaulted container "a" out of: first, a, b\n');
    const followed = await nodelet('logs many --all-containers -f --color always');
    expect(followed.stdout.split('\n').sort().slice(1)).to.deep.equal([
      '\u001b[32m[pod/many/b]\u001b[39m from b',
      '\u001b[33m[pod/many/a]\u001b[39m from a',
      '\u001b[36m[pod/many/first]\u001b[39m prepared',
    ]);
    const tooMany = await nodelet('logs many --all-containers -f --max-log-requests 2');
    expect(tooMany.stderr).to.contain('--max-log-requests: 3 logs would be followed');
    expect((await nodelet('logs many -c b --stream stdout')).stdout).to.equal('');
    expect((await nodelet('logs many -c b --stream stderr')).stdout).to.equal('from b\n');
    expect((await nodelet('logs many -c a --limit-bytes 4')).stdout).to.equal('from');
    expect((await nodelet('logs many -c a --since-time 2100-01-01T00:00:00Z')).stdout).to.equal('');
    expect((await nodelet('logs many -c a --since 1h')).stdout).to.equal('from a\n');
  });

  it('ends with 130 when it is interrupted', async () => {
    await apply(shellPod('waits', { image, script: 'echo here; exec sleep 1000000' }));
    const [program = '', ...args] = cliArgv(node, 'logs', '-f', 'waits');
    const follower = spawn(program, args, { stdio: ['ignore', 'pipe', 'pipe'] });
    let shown = '';
    follower.stdout.on('data', (chunk: Buffer) => (shown += chunk.toString()));
    const ended = new Promise<unknown>((resolve) =>
      follower.on('close', (code, signal) => resolve(signal ?? code)),
    );
    await waitFor('the line', () => shown === 'here\n');
    follower.kill('SIGINT');
    // Which a shell shows as 130.
    expect(await ended).to.equal('SIGINT');
  });
});
