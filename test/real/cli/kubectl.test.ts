import { execFileSync } from 'node:child_process';
import http from 'node:http';
import type { IncomingMessage } from 'node:http';
import net from 'node:net';
import type { AddressInfo } from 'node:net';
import type { Duplex } from 'node:stream';
import { expect } from 'chai';
import { newListContainersRequest } from '../../../src/ports/cri/messages.js';
import type { RealNode } from '../real-node.js';
import { startRealNode, waitFor } from '../real-node.js';
import { cli, watch } from './nodelet-cli.js';

const manifest = (image: string) => `apiVersion: v1
kind: Pod
metadata: {name: box}
spec:
  terminationGracePeriodSeconds: 0
  containers:
  - {name: main, image: "${image}", command: [sleep, "1000000"]}
---
apiVersion: v1
kind: Pod
metadata: {name: talk}
spec:
  terminationGracePeriodSeconds: 0
  containers:
  - name: main
    image: "${image}"
    stdin: true
    command: [sh, -c, 'while read line; do echo "got $line"; done']
  - {name: echo, image: "${image}", command: [nc, -ll, -p, "7007", -e, cat]}
`;

/** What kubectl asks about an API server before it does anything; everything else is nodelet's own answer. */
const discovery: Record<string, object> = {
  '/api': { kind: 'APIVersions', versions: ['v1'] },
  '/apis': { kind: 'APIGroupList', apiVersion: 'v1', groups: [] },
  '/api/v1': {
    kind: 'APIResourceList',
    groupVersion: 'v1',
    resources: [{ name: 'pods', singularName: 'pod', namespaced: true, kind: 'Pod', verbs: ['get'] }],
  },
};

/** Makes an API on a Unix socket reachable for kubectl, which only knows TCP. */
function overTcp(socketPath: string): http.Server {
  const server = http.createServer((request, response) => {
    const known = discovery[(request.url ?? '').split('?')[0] ?? ''];
    if (known !== undefined) {
      response.writeHead(200, { 'content-type': 'application/json' }).end(JSON.stringify(known));
      return;
    }
    const { method, url: path, headers } = request;
    const upstream = http.request({ socketPath, method, path, headers }, (answer) => {
      response.writeHead(answer.statusCode ?? 500, answer.headers);
      answer.pipe(response);
    });
    request.pipe(upstream);
  });
  server.on('upgrade', (request: IncomingMessage, client: Duplex) => {
    const upstream = net.connect(socketPath);
    const lines = [`${request.method} ${request.url} HTTP/1.1`];
    for (let index = 0; index < request.rawHeaders.length; index += 2)
      lines.push(`${request.rawHeaders[index]}: ${request.rawHeaders[index + 1]}`);
    upstream.write(`${lines.join('\r\n')}\r\n\r\n`);
    client.pipe(upstream).pipe(client);
    for (const side of [client, upstream])
      side.on('error', () => [client, upstream].forEach((one) => one.destroy()));
  });
  return server;
}

function hasKubectl(): boolean {
  try {
    execFileSync('kubectl', ['version', '--client'], { stdio: 'ignore' });
    return true;
  } catch {
    return false;
  }
}

(hasKubectl() ? describe : describe.skip)('kubectl: streams of a real client', () => {
  let node: RealNode;
  let proxy: http.Server;
  before(async () => {
    node = await startRealNode();
    expect(await cli(node, ['apply', '-f', '-'], manifest(await node.image()))).to.include({ exitCode: 0 });
    await waitFor('the container', async () => {
      const { containers } = await node.cri.runtime.ListContainers(newListContainersRequest(), node.ctx);
      return containers.length === 3 && containers.every(({ state }) => state === 'CONTAINER_RUNNING');
    });
    proxy = overTcp(node.config.apiSocket).listen(0, '127.0.0.1');
    await new Promise((resolve) => proxy.once('listening', resolve));
  });
  after(async () => {
    proxy?.closeAllConnections();
    proxy?.close();
    await node?.dispose();
  });

  /** kubectl's command line for a shell; versions before 1.29 speak SPDY anyway. */
  const kubectl = (protocol: 'SPDY' | 'WebSocket', args: string) =>
    `HOME=${node.dir} KUBECTL_REMOTE_COMMAND_WEBSOCKETS=${protocol === 'WebSocket'} ` +
    `KUBECTL_PORT_FORWARD_WEBSOCKETS=${protocol === 'WebSocket'} ` +
    `kubectl --server http://127.0.0.1:${(proxy.address() as AddressInfo).port} ${args}`;
  const run = async (line: string) => (await watch({ argv: ['sh', '-c', line], stdin: false })).done;

  for (const protocol of ['SPDY', 'WebSocket'] as const) {
    it(`runs commands over ${protocol}: stdin to its end, both outputs, the exit code`, async () => {
      const { stdout, stderr, exitCode } = await run(
        `echo hello | ${kubectl(protocol, `exec -i box -- sh -c 'cat; echo bad >&2; exit 7'`)}`,
      );
      expect([stdout, exitCode]).to.deep.equal(['hello\n', 7]);
      expect(stderr).to.match(/^bad\ncommand terminated with exit code 7/);
    });

    it(`carries 32 MiB each way over ${protocol}`, async () => {
      const bytes = 32 * 1024 * 1024;
      const { stdout } = await run(
        `head -c ${bytes} /dev/zero | ${kubectl(protocol, 'exec -i box -- cat')} | wc -c`,
      );
      expect(stdout.trim()).to.equal(String(bytes));
    });

    it(`attaches over ${protocol}`, async () => {
      const argv = ['sh', '-c', kubectl(protocol, 'attach -i talk -c main')];
      const { process, stdout, done } = await watch({ argv, stdin: true });
      await waitFor('the echo', () => {
        process.stdin?.write('hello\n');
        return stdout().includes('got hello');
      });
      process.kill();
      await done;
    });

    it(`forwards a port over ${protocol}`, async () => {
      const argv = ['sh', '-c', kubectl(protocol, 'port-forward pod/talk :7007')];
      const { process, stdout, done } = await watch({ argv, stdin: false });
      await waitFor('the local port', () => stdout().includes('Forwarding from 127.0.0.1:'));
      const port = Number(/127\.0\.0\.1:(\d+)/.exec(stdout())?.[1]);
      for (const word of ['one', 'two']) {
        const socket = net.connect({ host: '127.0.0.1', port });
        socket.end(word);
        let answer = '';
        for await (const chunk of socket) answer += String(chunk);
        expect(answer).to.equal(word);
      }
      process.kill();
      await done;
    });

    it(`has a terminal over ${protocol}`, async () => {
      const { process, stdout, done } = await watch({
        argv: ['sh', '-c', kubectl(protocol, 'exec -it box -- sh')],
        stdin: true,
        terminal: { columns: 90, rows: 10, relay: false },
      });
      await waitFor('the prompt', () => stdout().includes('# '));
      process.stdin?.write('stty size; exit 5\r');
      expect((await done).stdout).to.contain('10 90');
      expect(await process.exited).to.equal(5);
    });
  }
});
