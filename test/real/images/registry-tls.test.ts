import { execFile, execFileSync } from 'node:child_process';
import fs from 'node:fs';
import https from 'node:https';
import type { AddressInfo } from 'node:net';
import os from 'node:os';
import path from 'node:path';
import { promisify } from 'node:util';
import { expect } from 'chai';
import { RegistryTransport } from '../../../src/images/registry/transport.js';
import { newAuthConfig } from '../../../src/ports/cri/messages.js';
import { ImageWorld, failureOf } from './image-world.js';
import { imageOf, tarOf } from './registry-double.js';

describe('images: registries over TLS (real file system)', () => {
  let world: ImageWorld;
  let server: https.Server;
  let dir: string;
  let host: string;
  before(async () => {
    dir = fs.mkdtempSync(path.join(os.tmpdir(), 'nodelet-tls-'));
    const [key, cert] = [`${dir}/key.pem`, `${dir}/cert.pem`];
    execFileSync(
      'openssl',
      [
        ...'req -x509 -newkey ec -pkeyopt ec_paramgen_curve:prime256v1 -nodes -days 2'.split(' '),
        '-subj',
        '/CN=test',
        '-addext',
        'subjectAltName=IP:127.0.0.1',
        '-keyout',
        key,
        '-out',
        cert,
      ],
      { stdio: 'ignore' },
    );
    world = new ImageWorld();
    server = https.createServer(
      { key: fs.readFileSync(key), cert: fs.readFileSync(cert) },
      (request, response) => {
        const realm = `Bearer realm="http://${world.registry.host}/token"`;
        if (request.url?.startsWith('/v2/guarded/'))
          response.writeHead(401, { 'www-authenticate': realm }).end();
        else world.registry.serve(request.url ?? '', response);
      },
    );
    await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
    host = `127.0.0.1:${(server.address() as AddressInfo).port}`;
    await world.registry.start();
    const { host: plain } = world.registry;
    await world.start({ registries: [host, plain].map((each) => ({ host: each, insecure: true })) });
    world.registry.put('app:1', imageOf({ layers: [tarOf([{ name: 'a', text: 'a' }])] }));
  });
  after(async () => {
    await world.remove();
    await new Promise((resolve) => {
      server.close(resolve);
      server.closeAllConnections();
    });
    fs.rmSync(dir, { recursive: true, force: true });
  });

  it('takes any certificate of one that is configured as insecure', async () => {
    expect(await world.pullReference(`${host}/app:1`)).to.match(/^sha256:/);
  });

  it('takes no certificate that it does not trust of others, and tells what can be done', async () => {
    const transport = new RegistryTransport({ stallMs: 60_000 });
    const request = { url: `https://${host}/v2/`, headers: {}, signal: new AbortController().signal };
    try {
      const error = await failureOf(transport.send({ ...request, connection: { skipVerify: false } }));
      expect(error.kind).to.equal('unavailable');
      expect(error.describe()).to.match(/self-signed certificate.*registries file/);
      await (await transport.send({ ...request, connection: { skipVerify: true } })).body.dump();
    } finally {
      await transport.close();
    }
  });

  it('takes one that is signed by a CA of the node, as the daemon is told of at its start', async () => {
    const module = new URL('../../../src/images/registry/transport.js', import.meta.url);
    const program = `
      const { RegistryTransport } = await import('${module.href}');
      const signal = new AbortController().signal;
      const request = { url: 'https://${host}/v2/', headers: {}, connection: { skipVerify: false }, signal };
      console.log((await new RegistryTransport({ stallMs: 60000 }).send(request)).statusCode);
      process.exit();`;
    const { stdout } = await promisify(execFile)(process.execPath, ['--input-type=module', '-e', program], {
      env: { ...process.env, NODE_EXTRA_CA_CERTS: `${dir}/cert.pem` },
    });
    expect(stdout.trim()).to.equal('404');
  });

  it('speaks plain http with one that is configured as insecure and has no TLS', async () => {
    expect(await world.pull('app:1')).to.match(/^sha256:/);
  });

  it('sends no login to a token service without encryption', async () => {
    const auth = newAuthConfig({ username: 'user', password: 'secret' });
    const before = world.registry.requests.length;
    const error = await failureOf(world.pullReference(`${host}/guarded/app:1`, { auth }));
    expect(error).to.include({ kind: 'denied', field: 'auth' });
    expect(world.registry.requests.slice(before)).to.deep.equal([]);
  });
});
