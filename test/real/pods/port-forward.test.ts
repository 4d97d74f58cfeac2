import net from 'node:net';
import { expect } from 'chai';
import { WebSocket, createWebSocketStream } from 'ws';
import {
  newLinuxPodSandboxConfig,
  newLinuxSandboxSecurityContext,
  newNamespaceOption,
  newPortForwardRequest,
  newStopPodSandboxRequest,
} from '../../../src/ports/cri/messages.js';
import type { PodSandboxConfig } from '../../../src/ports/cri/messages.js';
import type { OpenStream, SpdyClient } from '../../cri/streaming/spdy-client.js';
import { connectSpdy, overSocket } from '../../cri/streaming/spdy-client.js';
import { PodClient, failure } from '../pod-client.js';
import { startRealNode, waitFor } from '../real-node.js';
import type { RealNode } from '../real-node.js';

/** Sends back what it gets, each connection on its own. */
const echo = (port: number) => ['nc', '-ll', '-p', String(port), '-e', 'cat'];
/** A web server without a page, on one address. */
const web = (address: string) => ['httpd', '-f', '-h', '/tmp', '-p', address];

describe('pods: port-forward (real namespaces)', () => {
  let node: RealNode;
  let pods: PodClient;
  const closers: (() => void)[] = [];
  before(async () => {
    node = await startRealNode();
    pods = await PodClient.on(node);
  });
  afterEach(() => {
    for (const close of closers.splice(0)) close();
  });
  after(() => node?.dispose());

  const urlOf = async (sandbox: string, port: number[] = []): Promise<string> =>
    (await node.cri.runtime.PortForward(newPortForwardRequest({ pod_sandbox_id: sandbox, port }), node.ctx))
      .url;
  async function connect(sandbox: string): Promise<SpdyClient> {
    const client = await connectSpdy(await urlOf(sandbox), ['portforward.k8s.io']);
    closers.push(() => client.socket.destroy());
    return client;
  }
  async function open({ open }: Pick<SpdyClient, 'open'>, port: number, requestID?: string) {
    const headers = { port: String(port), ...(requestID === undefined ? {} : { requestID }) };
    const error = await open({ ...headers, streamType: 'error' });
    error.stream.end();
    return { error, data: await open({ ...headers, streamType: 'data' }) };
  }
  async function ask(connection: { error: OpenStream; data: OpenStream }, text: string): Promise<string> {
    connection.data.stream.end(`${text}\n`);
    const answer = (await connection.data.whole).toString();
    expect((await connection.error.whole).toString(), 'no error').to.equal('');
    return answer;
  }
  const networked = (network: 'POD' | 'NODE'): Partial<PodSandboxConfig> => ({
    linux: newLinuxPodSandboxConfig({
      security_context: newLinuxSandboxSecurityContext({
        namespace_options: newNamespaceOption({ network }),
      }),
    }),
  });
  const none: Partial<PodSandboxConfig> = { annotations: { 'nodelet.dev/network': 'none' } };
  /** A server in the sandbox, which listens when this resolves. */
  async function serve(sandbox: string, port: number, command = echo(port)): Promise<void> {
    const id = await pods.run(sandbox, { command });
    await waitFor('the server', async () => (await pods.shell(id, 'netstat -ltn')).includes(`:${port} `));
  }
  async function freePort(): Promise<number> {
    const probe = net.createServer().listen(0, '127.0.0.1');
    await new Promise((resolve) => probe.once('listening', resolve));
    const { port } = probe.address() as net.AddressInfo;
    await new Promise((resolve) => probe.close(resolve));
    return port;
  }

  for (const [network, config] of [
    ['bridge', networked('POD')],
    ['host', networked('NODE')],
    ['none', none],
  ] as const)
    it(`reaches what listens on the loopback of a pod with network ${network}`, async () => {
      const sandbox = await pods.runPod(config);
      const port = await freePort();
      await serve(sandbox, port, web(`127.0.0.1:${port}`));
      const client = await connect(sandbox);
      for (const id of ['one', 'two'])
        expect(await ask(await open(client, port, id), 'GET /page HTTP/1.0\r\n\r')).to.match(/^HTTP.1.. 404/);
    });

  it('carries many connections side by side, much and both ways whole', async () => {
    const sandbox = await pods.runPod();
    const bytes = 2 * 1024 * 1024;
    await serve(sandbox, 7000);
    const client = await connect(sandbox);
    const payload = Buffer.alloc(bytes, 'nodelet port-forward ');
    const answers = await Promise.all(
      Array.from({ length: 8 }, async (_, index) => {
        const { data } = await open(client, 7000, String(index));
        data.stream.end(payload);
        return data.whole;
      }),
    );
    for (const answer of answers) expect(answer.equals(payload)).to.equal(true);
  });

  it('tells of a port that nobody listens on, and goes on with others', async () => {
    const sandbox = await pods.runPod();
    await serve(sandbox, 7001);
    const client = await connect(sandbox);
    const refused = await open(client, 7999, 'a');
    expect((await refused.error.whole).toString()).to.match(
      /port 7999 .* connection refused: .*ECONNREFUSED/,
    );
    expect((await refused.data.whole).length).to.equal(0);
    expect(await ask(await open(client, 7001, 'b'), 'still')).to.equal('still\n');
  });

  it('reaches what listens on IPv6 alone', async () => {
    const sandbox = await pods.runPod();
    await serve(sandbox, 7002, web('[::1]:7002'));
    const answer = await ask(await open(await connect(sandbox), 7002, 'a'), 'GET /page HTTP/1.0\r\n\r');
    expect(answer).to.match(/^HTTP.1.. 404/);
  });

  it('serves clients that send no request id, and refuses streams that belong to no connection', async () => {
    const sandbox = await pods.runPod();
    await serve(sandbox, 7003);
    const client = await connect(sandbox);
    expect(await ask(await open(client, 7003), 'old')).to.equal('old\n');
    for (const headers of [
      { streamType: 'data', port: '0' },
      { streamType: 'data', port: '65536' },
      { streamType: 'error', port: 'http' },
      { streamType: 'telepathy', port: '80' },
    ]) {
      const { stream } = await client.open(headers);
      const error = await new Promise<Error>((resolve) => stream.once('error', resolve));
      expect(error.message, JSON.stringify(headers)).to.contain('REFUSED_STREAM');
    }
  });

  it('serves SPDY that is carried in WebSocket messages', async () => {
    const sandbox = await pods.runPod();
    await serve(sandbox, 7004);
    const socket = new WebSocket(await urlOf(sandbox), ['v2.portforward.k8s.io']);
    closers.push(() => socket.terminate());
    await new Promise((resolve) => socket.once('open', resolve));
    const client = overSocket(createWebSocketStream(socket));
    expect(await ask(await open(client, 7004, 'a'), 'tunnel')).to.equal('tunnel\n');
  });

  it('serves WebSocket alone, by two channels for each port of the request', async () => {
    const sandbox = await pods.runPod();
    await serve(sandbox, 7005);
    const socket = new WebSocket(await urlOf(sandbox, [7005, 7998]), ['v4.channel.k8s.io']);
    closers.push(() => socket.terminate());
    const received = new Map<number, Buffer>();
    socket.on('message', (message: Buffer) => {
      const [channel = -1] = message;
      received.set(channel, Buffer.concat([received.get(channel) ?? Buffer.alloc(0), message.subarray(1)]));
    });
    await new Promise((resolve) => socket.once('open', resolve));
    socket.send(Buffer.concat([Buffer.of(0), Buffer.from('words\n')]));
    await waitFor('the answer', () => received.get(0)?.subarray(2).toString() === 'words\n');
    await waitFor('the refusal', () => received.get(3)?.toString().includes('ECONNREFUSED') === true);
    expect([0, 1, 2, 3].map((channel) => received.get(channel)?.readUInt16LE())).to.deep.equal([
      7005, 7005, 7998, 7998,
    ]);
  });

  it('ends the connection in the pod when the client vanishes', async () => {
    const sandbox = await pods.runPod();
    const id = await pods.run(sandbox, {
      command: ['sh', '-c', 'nc -l -p 7006 -e cat; echo served'],
    });
    await waitFor('the server', async () => (await pods.shell(id, 'netstat -ltn')).includes(':7006'));
    const client = await connect(sandbox);
    const { data } = await open(client, 7006, 'a');
    data.stream.write('x');
    await waitFor('the echo', () => data.text() === 'x');
    client.socket.destroy();
    await waitFor('the end', async () => (await pods.logText(id)) === 'served');
  });

  it('refuses by field what can not be', async () => {
    const sandbox = await pods.runPod();
    expect((await failure(urlOf(sandbox, [80, 0]))).message).to.match(/^port\[1\]: is 0/);
    expect((await failure(urlOf(sandbox, [65_536]))).message).to.match(/^port\[0\]: is 65536/);
    const socket = new WebSocket(await urlOf(sandbox), ['v4.channel.k8s.io']);
    const code = await new Promise((resolve) => {
      socket.on('error', () => undefined);
      socket.once('unexpected-response', (_request, { statusCode }) => resolve(statusCode));
    });
    expect(code, 'no ports, and no way to name them').to.equal(400);
    await node.cri.runtime.StopPodSandbox(newStopPodSandboxRequest({ pod_sandbox_id: sandbox }), node.ctx);
    expect(await failure(urlOf(sandbox))).to.include({ kind: 'wrong-state' });
    expect(await failure(urlOf('0123456789ab'))).to.include({ kind: 'not-found' });
  });
});
