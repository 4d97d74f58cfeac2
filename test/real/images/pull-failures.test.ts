import { expect } from 'chai';
import type { ErrorKind } from '../../../src/base/errors.js';
import { ImageWorld, failureOf } from './image-world.js';
import type { ImageParts, TestManifest } from './registry-double.js';
import { digestOf, imageOf, tarOf } from './registry-double.js';

const layers = ['one', 'two', 'three', 'four', 'five'].map((text) => tarOf([{ name: text, text }]));
type Change = NonNullable<ImageParts['manifest']>;
const withConfig =
  (config: Partial<TestManifest['config']>): Change =>
  (manifest) => ({
    ...manifest,
    config: { ...manifest.config, ...config },
  });
const withLayer =
  (layer: Partial<TestManifest['layers'][0]>): Change =>
  (manifest) => ({
    ...manifest,
    layers: [{ ...manifest.layers[0], ...layer }, ...manifest.layers.slice(1)],
  });
const otherPlatforms = {
  schemaVersion: 2,
  mediaType: 'application/vnd.oci.image.index.v1+json',
  manifests: [
    {
      mediaType: 'application/vnd.oci.image.manifest.v1+json',
      digest: digestOf('x'),
      size: 1,
      platform: { os: 'linux', architecture: 'z80' },
    },
  ],
};

/** No field is at fault, and the text begins with the word that clients know. */
const unavailable = { kind: 'unavailable', text: 'RegistryUnavailable: ' } as const;

describe('images: pulls that fail leave nothing behind (real file system)', () => {
  let world: ImageWorld;
  before(async () => {
    world = new ImageWorld();
    await world.start({ patience: { stallMs: 500, attempts: 2 } });
  });
  after(() => world.remove());

  let counter = 0;
  /** Pulls an image that is in the registry like this, and asserts how it fails. */
  async function fails(
    expected: { kind: ErrorKind; field?: string; text?: string },
    prepare: (repository: string) => void,
  ): Promise<void> {
    const repository = `broken-${(counter += 1)}`;
    prepare(repository);
    const before = await world.store();
    const error = await failureOf(world.pull(`${repository}:1`));
    expect(error.describe()).to.include(expected.text ?? '');
    expect(error).to.include({ kind: expected.kind, field: expected.field });
    expect(error.remedy, 'a remedy').to.be.a('string');
    expect(await world.store()).to.deep.equal(before);
  }
  const changed = (manifest: Change) => (repository: string) => {
    world.registry.put(`${repository}:1`, imageOf({ layers, manifest }));
  };
  const document = (bytes: string) => (repository: string) => {
    world.registry.putManifest(`${repository}:1`, Buffer.from(bytes));
  };
  const answering = (status: number) => (repository: string) => {
    world.registry.on(`/${repository}/`, (_request, response) => response.writeHead(status).end());
  };
  const manifest = imageOf({ layers }).manifest.toString();

  it('an image that does not exist', () =>
    fails({ kind: 'not-found', field: 'image.image' }, () => undefined));
  it('a registry that asks to wait', () =>
    fails({ kind: 'exhausted', field: 'image.image' }, answering(429)));
  it('a registry with a failure', () => fails({ ...unavailable, text: '503' }, answering(503)));
  it('a registry that denies', () => fails({ kind: 'denied', field: 'auth' }, answering(403)));
  it('a registry that is silent', () =>
    fails(unavailable, (repository) => {
      world.registry.on(`/${repository}/`, () => undefined);
    }));
  it('a registry that falls silent within a layer', () =>
    fails(unavailable, (repository) => {
      world.registry.put(`${repository}:1`, imageOf({ layers }));
      world.registry.on(`/${repository}/blobs/${digestOf(layers[0] ?? '')}`, (_request, response) => {
        response.writeHead(200, { 'content-length': 2048 }).write('x');
      });
    }));
  it('a connection that is cut within a layer', () =>
    fails(unavailable, (repository) => {
      world.registry.put(`${repository}:1`, imageOf({ layers }));
      world.registry.on(`/${repository}/blobs/${digestOf(layers[2] ?? '')}`, (_request, response) => {
        response.writeHead(200, { 'content-length': 2048 });
        response.write(Buffer.alloc(100), () => response.destroy());
      });
    }));
  it('a connection that is cut within the manifest', () =>
    fails(unavailable, (repository) => {
      world.registry.on(`/${repository}/manifests/`, (_request, response) => {
        response.writeHead(200, { 'content-length': 2048 });
        response.write(manifest.slice(0, 100), () => response.destroy());
      });
    }));

  it('a manifest that is cut short', () =>
    fails({ kind: 'corrupt', field: 'manifest' }, document(manifest.slice(0, -5))));
  it('a manifest of another shape', () => fails({ kind: 'corrupt', field: 'manifest' }, document('[]')));
  it('a manifest without a config', () =>
    fails(
      { kind: 'corrupt', field: 'manifest.config' },
      changed((whole) => ({ ...whole, config: undefined })),
    ));
  it('a manifest whose layers are no list', () =>
    fails(
      { kind: 'corrupt', field: 'manifest.layers' },
      changed((whole) => ({ ...whole, layers: {} })),
    ));
  it('a layer with a size that is no number', () =>
    fails({ kind: 'corrupt', field: 'manifest.layers[0].size' }, changed(withLayer({ size: '1' as never }))));
  it('a layer with a path for a digest', () =>
    fails(
      { kind: 'corrupt', field: 'manifest.layers[0].digest' },
      changed(withLayer({ digest: 'sha256:../../x' })),
    ));
  it('a manifest that is endless', () =>
    fails({ kind: 'exhausted', field: 'manifest' }, document(`"${'x'.repeat(5 * 1024 * 1024)}"`)));
  it('a manifest of schema version 1', () =>
    fails(
      { kind: 'unsupported', field: 'manifest.schemaVersion' },
      document('{"schemaVersion":1,"fsLayers":[]}'),
    ));
  it('an artifact that is no image', () =>
    fails(
      { kind: 'unsupported', field: 'manifest.config.mediaType' },
      changed(withConfig({ mediaType: 'application/vnd.cncf.helm.config.v1+json' })),
    ));
  it('an index without this platform', () =>
    fails(
      { kind: 'not-found', field: 'image.image', text: 'linux/z80' },
      document(JSON.stringify(otherPlatforms)),
    ));
  it('an index that is malformed', () =>
    fails(
      { kind: 'corrupt', field: 'manifest.manifests[0].platform' },
      document(JSON.stringify({ ...otherPlatforms, manifests: [{ platform: 'linux' }] })),
    ));
  it('a layer of a type that is not supported', () =>
    fails(
      { kind: 'unsupported', field: 'manifest.layers.mediaType', text: 'tar+gzip+encrypted' },
      changed(withLayer({ mediaType: 'application/vnd.oci.image.layer.v1.tar+gzip+encrypted' })),
    ));

  it('a config of another size', () =>
    fails(
      { kind: 'corrupt', field: 'config' },
      changed((whole) => withConfig({ size: whole.config.size + 1 })(whole)),
    ));
  it('a config that is no JSON', () =>
    fails({ kind: 'corrupt', field: 'config' }, (repository) => {
      const bytes = Buffer.from('{"rootfs":');
      const image = imageOf({
        layers,
        manifest: withConfig({ digest: digestOf(bytes), size: bytes.length }),
      });
      world.registry.put(`${repository}:1`, { ...image, config: bytes });
    }));
  it('a config with environment of a wrong type', () =>
    fails({ kind: 'corrupt', field: 'config.config.Env[0]' }, (repository) => {
      world.registry.put(`${repository}:1`, imageOf({ layers, config: { Env: [1] } }));
    }));
  it('fewer diff ids than layers', () =>
    fails({ kind: 'corrupt', field: 'config.rootfs.diff_ids' }, (repository) => {
      const image = imageOf({ layers, manifest: (whole) => ({ ...whole, layers: whole.layers.slice(1) }) });
      world.registry.put(`${repository}:1`, image);
    }));
  for (const [what, delta] of [
    ['shorter', -1],
    ['longer', 1],
  ] as const) {
    it(`a layer that is ${what} than the manifest says`, () =>
      fails(
        { kind: 'corrupt', field: 'layer' },
        changed((whole) => withLayer({ size: (whole.layers[0]?.size ?? 0) - delta })(whole)),
      ));
  }
  for (const [what, part, path] of [
    ['manifest by digest', 'manifest', 'manifests'],
    ['config', 'config', `blobs/${digestOf(imageOf({ layers }).config)}`],
    ['layer', 'layer', `blobs/${digestOf(layers[3] ?? '')}`],
  ] as const) {
    it(`a ${what} with another content of the same size`, async () => {
      const repository = `swapped-${what.replaceAll(' ', '-')}`;
      const image = imageOf({ layers });
      world.registry.put(`${repository}:1`, image);
      world.registry.on(`/${repository}/${path}`, (request, response) => {
        const [, wanted = ''] = (request.url ?? '').split('blobs/');
        const whole =
          [image.config, ...image.layers].find((blob) => digestOf(blob) === wanted) ?? image.manifest;
        const swapped = Buffer.from(whole);
        swapped.writeUInt8((swapped.at(-3) ?? 0) ^ 1, swapped.length - 3);
        response.writeHead(200).end(swapped);
      });
      const before = await world.store();
      const which = part === 'manifest' ? `@${digestOf(image.manifest)}` : ':1';
      const error = await failureOf(world.pull(`${repository}${which}`));
      expect(error).to.include({ kind: 'corrupt', field: part });
      expect(await world.store()).to.deep.equal(before);
    });
  }
  it('a layer that is not what its diff id says', () =>
    fails({ kind: 'corrupt', field: 'config.rootfs.diff_ids' }, (repository) => {
      const image = imageOf({ layers });
      const swapped = imageOf({ layers: [...layers.slice(1), tarOf([{ name: 'six' }])] });
      const both = JSON.parse(image.manifest.toString()) as TestManifest;
      both.layers = (JSON.parse(swapped.manifest.toString()) as TestManifest).layers;
      world.registry.put(`${repository}:1`, {
        ...image,
        layers: swapped.layers,
        manifest: Buffer.from(JSON.stringify(both)),
      });
    }));
  it('a layer whose compression breaks off', () =>
    fails({ kind: 'corrupt', field: 'manifest.layers' }, (repository) => {
      const image = imageOf({ layers, gzip: true });
      const cut = (image.layers[0] ?? Buffer.alloc(0)).subarray(0, -20);
      const manifest = JSON.parse(image.manifest.toString()) as TestManifest;
      const [first, ...others] = manifest.layers;
      if (first === undefined) throw new Error('the image has no layer');
      manifest.layers = [{ ...first, digest: digestOf(cut), size: cut.length }, ...others];
      world.registry.put(`${repository}:1`, {
        ...image,
        layers: [cut, ...image.layers.slice(1)],
        manifest: Buffer.from(JSON.stringify(manifest)),
      });
    }));
  it('a hostile layer', () =>
    fails({ kind: 'corrupt', field: 'manifest.layers' }, (repository) => {
      world.registry.put(
        `${repository}:1`,
        imageOf({ layers: [...layers, tarOf([{ name: '../x', text: 'x' }])] }),
      );
    }));

  it('a registry that is down, and a bad reference', async () => {
    const before = await world.store();
    const [free] = world.registry.host.split(':');
    const down = await failureOf(world.pullReference(`${free}:1/x:1`));
    expect(down).to.include({ kind: 'unavailable', field: undefined });
    expect(down.describe())
      .to.match(/^RegistryUnavailable: /)
      .and.include(`${free}:1`)
      .and.include('ECONNREFUSED');
    expect(await failureOf(world.pull('UPPER/case'))).to.include({ kind: 'invalid', field: 'image.image' });
    expect(await world.store()).to.deep.equal(before);
  });

  it('counts the bytes that came, of pulls that went well and of others', async () => {
    const image = imageOf({ layers: [tarOf([{ name: 'counted', text: 'c' }])] });
    world.registry.put('counted:1', image);
    world.pulls.length = 0;
    await world.pull('counted:1');
    const all = [image.manifest, image.config, ...image.layers].reduce((sum, blob) => sum + blob.length, 0);
    expect(world.pulls).to.deep.equal([{ ok: true, bytes: all }]);
    await world.pull('counted:1');
    expect(world.pulls[1], 'the layer was there').to.deep.equal({
      ok: true,
      bytes: image.manifest.length + image.config.length,
    });
    await failureOf(world.pull('never:1'));
    expect(world.pulls[2]).to.deep.equal({ ok: false, bytes: 0 });
  });
});
