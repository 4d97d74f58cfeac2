import { execFileSync } from 'node:child_process';
import fs from 'node:fs';
import os from 'node:os';
import { expect } from 'chai';
import { WebSocket } from 'ws';
import { silentLog } from '../../../src/base/call-context.js';
import { createStreamingServer } from '../../../src/cri/streaming/server.js';
import type { StreamingServer } from '../../../src/cri/streaming/server.js';
import { createRandom } from '../../../src/host/random.js';
import { testClock as clock } from '../../cri/runtime-double.js';
import { FakeProcess } from '../../cri/streaming/fake-process.js';
import { connectSpdy } from '../../cri/streaming/spdy-client.js';

describe('cri streaming: over TLS (a certificate by openssl)', () => {
  let dir: string;
  let cert: Buffer;
  let server: StreamingServer;
  before(async () => {
    dir = fs.mkdtempSync(`${os.tmpdir()}/nodelet-tls-`);
    const made =
      'req -x509 -newkey ec -pkeyopt ec_paramgen_curve:prime256v1 -nodes -days 2 -subj /CN=test'.split(' ');
    const names = ['-addext', 'subjectAltName=DNS:localhost'];
    execFileSync('openssl', [...made, ...names, '-keyout', `${dir}/key`, '-out', `${dir}/cert`], {
      stdio: 'ignore',
    });
    cert = fs.readFileSync(`${dir}/cert`);
    const tls = { cert, key: fs.readFileSync(`${dir}/key`) };
    server = createStreamingServer({
      address: 'localhost:0',
      tls,
      clock,
      random: createRandom(),
      log: silentLog,
    });
    await server.start();
  });
  after(async () => {
    await server?.stop();
    fs.rmSync(dir, { recursive: true, force: true });
  });

  const offer = (): string => {
    const process = new FakeProcess();
    process.stdout.end('by TLS');
    process.stderr.end();
    process.end(0);
    const streams = { stdin: false, stdout: true, stderr: false, tty: false };
    return server.offerCommand('exec', { ...streams, start: async () => process });
  };

  it('serves both protocols at a URL with the name that the certificate has', async () => {
    expect(offer()).to.match(/^https:\/\/localhost:\d+\/exec\//);
    const { open, socket } = await connectSpdy(offer(), ['v4.channel.k8s.io'], cert);
    await open({ streamType: 'error' });
    expect((await (await open({ streamType: 'stdout' })).whole).toString()).to.equal('by TLS');
    socket.destroy();
    const client = new WebSocket(offer().replace('https', 'wss'), ['v5.channel.k8s.io'], { ca: cert });
    let text = '';
    client.on(
      'message',
      (message: Buffer) => (text += message[0] === 1 ? message.subarray(1).toString() : ''),
    );
    await new Promise((resolve) => client.once('close', resolve));
    expect(text).to.equal('by TLS');
  });
});
