import fs from 'node:fs';
import path from 'node:path';
import { expect } from 'chai';
import { stringify } from 'yaml';
import { newAuthConfig } from '../../../src/ports/cri/messages.js';
import { ImageWorld, failureOf } from './image-world.js';
import type { TestImage } from './registry-double.js';
import { RegistryDouble, digestOf, imageOf, tarOf } from './registry-double.js';

const basic = (pair: string): string => `Basic ${Buffer.from(pair).toString('base64')}`;

describe('images: mirrors of a registry (real file system)', () => {
  let world: ImageWorld;
  let mirror: RegistryDouble;
  let image: TestImage;
  let layer: string;
  beforeEach(async () => {
    world = new ImageWorld();
    await world.start();
    mirror = new RegistryDouble();
    await mirror.start();
    image = imageOf({ layers: [tarOf([{ name: 'a', text: 'a' }]), tarOf([{ name: 'b', text: 'b' }])] });
    layer = digestOf(image.layers[0] ?? '');
    world.registry.put('app:1', image);
    mirror.put('app:1', image);
  });
  afterEach(async () => {
    await world.remove();
    await mirror.stop();
  });

  function write(text: string): void {
    fs.mkdirSync(path.dirname(world.registriesFile), { recursive: true });
    fs.writeFileSync(world.registriesFile, text);
  }
  /** The registries file: mirrors of the test's registry. */
  function configure(mirrors: object[], more: object = {}): void {
    write(stringify({ registries: { [world.registry.host]: { mirrors, ...more } } }));
  }
  const useMirror = (more: object = {}) => configure([{ host: mirror.host, ...more }]);

  it('give all of an image, and are told whom they stand for', async () => {
    useMirror();
    const asked: string[] = [];
    mirror.on('/', (request, response) => {
      asked.push(new URL(request.url ?? '', 'http://x').searchParams.get('ns') ?? '');
      mirror.serve((request.url ?? '').split('?')[0] ?? '', response);
    });
    await world.pull('app:1');
    expect(world.registry.requests).to.deep.equal([]);
    expect(asked.every((registry) => registry === world.registry.host)).to.equal(true);
    expect((await world.status(world.name('app:1')))?.repo_digests).to.deep.equal([
      `${world.name('app')}@${digestOf(image.manifest)}`,
    ]);
  });

  it('may keep repositories below a path', async () => {
    mirror.put('hub/app:2', image);
    world.registry.put('app:2', image);
    useMirror({ path: 'hub' });
    await world.pull('app:2');
    expect(world.registry.requests).to.deep.equal([]);
  });

  for (const [what, spoil] of [
    ['lack the image', () => mirror.on('/', (_request, response) => response.writeHead(404).end())],
    ['fail', () => mirror.on('/', (_request, response) => response.writeHead(500).end())],
    ['deny', () => mirror.on('/', (_request, response) => response.writeHead(403).end())],
    [
      'send another manifest than the digest',
      () => mirror.on('/manifests/', (_request, response) => response.writeHead(200).end('{}')),
    ],
  ] as const) {
    it(`are passed over when they ${what}`, async () => {
      useMirror();
      spoil();
      await world.pull(`app@${digestOf(image.manifest)}`);
      expect(mirror.requests.length).to.be.greaterThan(0);
      expect(world.registry.count('/blobs/')).to.equal(3);
    });
  }

  it('are passed over when they are down, and not asked again in the same pull', async () => {
    useMirror();
    await mirror.stop();
    await world.pull('app:1');
    expect(world.registry.count('/manifests/')).to.equal(1);
    await mirror.start();
  });

  it('may lose a layer in the middle of a pull', async () => {
    useMirror();
    mirror.on(layer, (_request, response) => {
      response.writeHead(200, { 'content-length': image.layers[0]?.length });
      response.write(image.layers[0]?.subarray(0, 700), () => response.destroy());
    });
    await world.pull('app:1');
    expect(world.registry.count(layer)).to.equal(1);
  });

  it('may send a wrong layer, which comes whole from the next one then', async () => {
    useMirror();
    mirror.on(layer, (_request, response) => {
      response.writeHead(200).end(Buffer.alloc(image.layers[0]?.length ?? 0, 1));
    });
    await world.pull('app:1');
    expect(world.registry.count(layer)).to.equal(1);
    expect(world.pulls.map(({ ok }) => ok)).to.deep.equal([true]);
  });

  it('are all told when none of them has it', async () => {
    useMirror();
    mirror.on('/', (_request, response) => response.writeHead(503).end());
    const error = await failureOf(world.pull('none:1'));
    expect(error).to.include({ kind: 'not-found', field: 'image.image' });
    expect(error.message).to.include(`mirror ${mirror.host}`).and.include('503');
  });

  it('get logins of their own, and never that of the registry', async () => {
    useMirror({ auth: { username: 'm', password: 'mine' } });
    const seen = new Set<string | undefined>();
    mirror.on('/', (request, response) => {
      seen.add(request.headers.authorization);
      if (request.headers.authorization === basic('m:mine'))
        mirror.serve((request.url ?? '').split('?')[0] ?? '', response);
      else response.writeHead(401, { 'www-authenticate': 'Basic realm="m"' }).end();
    });
    await world.pull('app:1', { auth: newAuthConfig({ username: 'user', password: 'secret' }) });
    expect([...seen]).to.deep.equal([undefined, basic('m:mine')]);
    expect(world.registry.requests).to.deep.equal([]);
  });

  it('are those of the file as it is now: new, changed, replaced, gone', async () => {
    const countAfterPull = async (): Promise<number> => {
      await world.pull('app:1');
      return mirror.requests.length;
    };
    expect(await countAfterPull()).to.equal(0);
    useMirror();
    const first = await countAfterPull();
    expect(first).to.be.greaterThan(0);
    fs.writeFileSync(`${world.registriesFile}.new`, 'registries: {}\n');
    fs.renameSync(`${world.registriesFile}.new`, world.registriesFile);
    expect(await countAfterPull()).to.equal(first);
    useMirror();
    const second = await countAfterPull();
    expect(second).to.be.greaterThan(first);
    fs.rmSync(world.registriesFile);
    expect(await countAfterPull()).to.equal(second);
  });

  it('stay as they were while the file is broken, which is told', async () => {
    useMirror();
    await world.pull('app:1');
    const before = mirror.requests.length;
    write('registries:\n  a.io:\n    mirror: x\n');
    await world.pull('app:1');
    expect(mirror.requests.length).to.be.greaterThan(before);
    const { registriesProblem } = await world.images.resolve(
      world.name('app:1'),
      new AbortController().signal,
    );
    expect(registriesProblem).to.include('registries.a.io.mirror').and.include(':3');
    await world.restart();
    const error = await failureOf(world.pull('app:1'));
    expect(error, 'after a start nothing is known of what it blocks').to.include({
      kind: 'invalid',
      field: 'registries.a.io.mirror',
    });
    useMirror();
    await world.pull('app:1');
  });

  it('do not help a registry that is blocked', async () => {
    write(stringify({ registries: { [`${world.registry.host}/app`]: { blocked: true } } }));
    expect(await failureOf(world.pull('app:1'))).to.include({ kind: 'denied', field: 'image.image' });
    expect(world.registry.requests).to.deep.equal([]);
  });

  it('are shown with what they would answer', async () => {
    fs.mkdirSync(path.dirname(world.dockerConfig), { recursive: true });
    fs.writeFileSync(
      world.dockerConfig,
      JSON.stringify({ auths: { [world.registry.host]: { auth: Buffer.from('a:b').toString('base64') } } }),
    );
    configure([
      { host: mirror.host },
      { host: '127.0.0.1:1', skipVerify: true, auth: { registryToken: 't' } },
    ]);
    mirror.on('/', (_request, response) => response.writeHead(404).end());
    const report = await world.images.resolve(world.name('app:1'), new AbortController().signal);
    expect(report.reference).to.equal(world.name('app:1'));
    const [first, second, itself] = report.sources;
    expect(first).to.deep.include({
      host: mirror.host,
      isMirror: true,
      login: 'none',
      addresses: [`http://${mirror.host}/v2/app`],
    });
    expect(first?.error).to.include('has no app');
    expect(second).to.deep.include({ login: 'the registries file', certificate: 'any' });
    expect(second?.error).to.include('ECONNREFUSED');
    expect(itself).to.deep.include({
      host: world.registry.host,
      isMirror: false,
      login: world.dockerConfig,
      digest: digestOf(image.manifest),
      platform: 'linux',
    });
    expect(await world.list(), 'nothing is pulled').to.have.lengthOf(1);
    const bad = await failureOf(world.images.resolve(world.name('UPPER/x'), new AbortController().signal));
    expect(bad).to.include({ kind: 'invalid', field: 'reference' });
  });
});
