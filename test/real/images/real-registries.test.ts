import { execFile } from 'node:child_process';
import fs from 'node:fs';
import path from 'node:path';
import { promisify } from 'node:util';
import { expect } from 'chai';
import { stringify } from 'yaml';
import { newAuthConfig } from '../../../src/ports/cri/messages.js';
import { testRegistry } from '../test-registry.js';
import { FaultProxy } from './fault-proxy.js';
import { ImageWorld, failureOf } from './image-world.js';
import { RealRegistry, TestCa } from './real-registry.js';
import { TokenServer } from './token-server.js';

const run = promisify(execFile);
const login = 'user:secret';

describe('images: registries of all kinds (real docker-registry)', () => {
  let ca: TestCa;
  let world: ImageWorld;
  let source: string;
  const started: { stop(): Promise<void> }[] = [];
  before(async () => {
    ca = new TestCa();
    source = await (await testRegistry()).push({ env: ['REAL=1'] });
  });
  after(() => ca.remove());
  beforeEach(async () => {
    world = new ImageWorld();
    await world.start();
  });
  afterEach(async () => {
    await world.remove();
    for (const each of started.splice(0).reverse()) await each.stop();
  });

  function use<Part extends { stop(): Promise<void> }>(part: Part): Part {
    started.push(part);
    return part;
  }
  function write(file: string, text: string): void {
    fs.mkdirSync(path.dirname(file), { recursive: true });
    fs.writeFileSync(file, text, { mode: 0o600 });
  }
  const configure = (registries: object) => write(world.registriesFile, stringify({ registries }));
  /** skopeo copies the test image to a registry, in OCI's or in Docker's form. */
  async function copyTo(host: string, more: string[] = []): Promise<string> {
    const target = `${host}/team/app:1`;
    await run('skopeo', [
      'copy',
      '--src-tls-verify=false',
      '--dest-tls-verify=false',
      ...more,
      `docker://${source}`,
      `docker://${target}`,
    ]);
    return target;
  }

  it('over TLS, with a CA of their own and certificates of their clients', async () => {
    const server = ca.issue('server');
    const client = ca.issue('client');
    const plain = use(new RealRegistry());
    await plain.start();
    await copyTo(plain.host);
    const registry = use(new RealRegistry());
    const tls = { certificate: server.cert, key: server.key, clientcas: [ca.file] };
    await registry.start({ http: { tls } }, plain.data);
    const name = `${registry.host}/team/app:1`;
    const withSettings = async (settings: object): Promise<string> => {
      configure({ [`${registry.host}/team`]: settings });
      return world.pullReference(name);
    };
    expect((await failureOf(withSettings({ http: true }))).describe()).to.include('RegistryUnavailable');
    const distrusted = await failureOf(withSettings({ http: false }));
    expect(distrusted.describe()).to.match(/certificate.*registries file \(ca\)/);
    const unknown = await failureOf(withSettings({ ca: ca.file }));
    expect(unknown.describe()).to.match(/certificate.*clientCert/);
    const missing = await failureOf(withSettings({ ca: `${ca.dir}/none.pem` }));
    expect(missing).to.include({ kind: 'not-found', field: 'registries.ca' });
    const both = { clientCert: client.cert, clientKey: client.key };
    expect(await withSettings({ ca: ca.file, ...both })).to.match(/^sha256:/);
    expect(await withSettings({ skipVerify: true, ...both })).to.match(/^sha256:/);
  });

  it('with a login of a Docker configuration, of a helper and of the registries file', async () => {
    const host = await (await testRegistry()).guarded();
    const name = `${host}/${source.split('/').slice(1).join('/')}`;
    expect(await failureOf(world.pullReference(name))).to.include({ kind: 'denied', field: 'auth' });
    const auth = Buffer.from(login).toString('base64');
    write(world.dockerConfig, JSON.stringify({ auths: { [`${host}/busybox`]: { auth } } }));
    await world.pullReference(name);
    write(world.dockerConfig, JSON.stringify({ auths: { [`${host}/other`]: { auth } } }));
    expect((await failureOf(world.pullReference(name))).kind).to.equal('denied');
    configure({ [host]: { auth: { username: 'user', password: 'secret' } } });
    await world.pullReference(name);
    configure({ [host]: { auth: { username: 'user', password: 'wrong' } } });
    const wrong = await failureOf(world.pullReference(name));
    expect(wrong.message).to.include('from the registries file');
    const own = newAuthConfig({ username: 'user', password: 'secret' });
    await world.pullReference(name, { auth: own });
  });

  it('with tokens, which are kept for the next pull, and fetched anew when they have run out in the middle', async () => {
    const tokens = use(new TokenServer(ca.issue('tokens'), login));
    await tokens.start();
    const plain = use(new RealRegistry());
    await plain.start();
    await copyTo(plain.host);
    const registry = use(new RealRegistry());
    await registry.start({ auth: tokens.registryAuth(ca.file) }, plain.data);
    const proxy = use(new FaultProxy(registry.host));
    await proxy.start();
    const name = `${proxy.host}/team/app:1`;
    const auth = newAuthConfig({ username: 'user', password: 'secret' });
    expect(await failureOf(world.pullReference(name))).to.include({ kind: 'denied', field: 'auth' });
    tokens.requests.length = 0;
    tokens.refuse = { status: 503, times: 1 };
    await world.pullReference(name, { auth });
    expect(tokens.requests.map(({ scope }) => scope)).to.deep.equal(
      Array(2).fill('repository:team/app:pull'),
    );
    await world.pullReference(name, { auth });
    expect(tokens.requests, 'the token is still good').to.have.lengthOf(2);
    await world.removeImage(name);
    tokens.requests.length = 0;
    // The registry says of the token that it is no longer good, though it was when the pull began.
    const challenge = `Bearer ${Object.entries(tokenPart(tokens, ca))
      .map(([key, value]) => `${key}="${value}"`)
      .join(',')}`;
    proxy.fault('/blobs/', { kind: 'status', status: 401, headers: { 'www-authenticate': challenge } });
    await world.pullReference(name, { auth });
    expect(tokens.requests).to.have.lengthOf(1);
  });

  it('with what skopeo pushed in either form, by tag and by digest, and skopeo sees the same', async () => {
    const registry = use(new RealRegistry());
    await registry.start();
    for (const format of ['oci', 'v2s2']) {
      const name = await copyTo(registry.host, ['--format', format]);
      const id = await world.pullReference(name);
      const { stdout } = await run('skopeo', ['inspect', '--tls-verify=false', `docker://${name}`]);
      const { Digest: digest } = JSON.parse(stdout) as { Digest: string };
      const byDigest = `${registry.host}/team/app@${digest}`;
      expect((await world.status(name))?.repo_digests).to.include(byDigest);
      expect(await world.pullReference(byDigest)).to.equal(id);
      expect(await world.pullReference(`${name}@${digest}`)).to.equal(id);
      await world.removeImage(id);
    }
    const { documents } = await world.store();
    expect(documents, 'what was kept of removed images').to.deep.equal([]);
  });
});

const tokenPart = (tokens: TokenServer, { file }: TestCa) => {
  const { token } = tokens.registryAuth(file) as { token: { realm: string; service: string } };
  return { realm: token.realm, service: token.service };
};
