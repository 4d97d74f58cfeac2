import { expect } from 'chai';
import { NodeletError } from '../../src/base/errors.js';
import type { ErrorKind } from '../../src/base/errors.js';
import { readImageConfig } from '../../src/images/image-config.js';
import type { DocumentTypes } from '../../src/images/manifest.js';
import { readManifest } from '../../src/images/manifest.js';

const digest = `sha256:${'a'.repeat(64)}`;
const oci = 'application/vnd.oci.image';
const docker = 'application/vnd.docker';
const config = { mediaType: `${oci}.config.v1+json`, digest, size: 2 };
const layer = { mediaType: `${oci}.layer.v1.tar+gzip`, digest, size: 3 };
const manifest = { schemaVersion: 2, mediaType: `${oci}.manifest.v1+json`, config, layers: [layer] };
const entry = { mediaType: `${oci}.manifest.v1+json`, digest, size: 4 };
const index = { schemaVersion: 2, mediaType: `${oci}.index.v1+json`, manifests: [entry] };

const read = (document: object, types?: DocumentTypes) =>
  readManifest(Buffer.from(JSON.stringify(document)), types);
const layersOf = (document: object) => {
  const top = read(document);
  return 'manifest' in top ? top.manifest.layers : [];
};

function refused(
  document: object,
  types: DocumentTypes | undefined,
  wanted: { kind: ErrorKind; field: string; text?: string },
) {
  try {
    read(document, types);
  } catch (thrown) {
    if (!(thrown instanceof NodeletError)) throw thrown;
    expect(thrown.describe()).to.include(wanted.text ?? '');
    expect(thrown).to.include({ kind: wanted.kind, field: wanted.field });
    return;
  }
  throw new Error('it was accepted');
}

describe('images: manifests', () => {
  it('are of OCI or of Docker, an index or one image, with or without a word of what they are', () => {
    const { mediaType: _, ...unnamed } = manifest;
    const { mediaType: __, ...unnamedIndex } = index;
    expect(read(manifest)).to.have.property('manifest');
    expect(read(unnamed)).to.have.property('manifest');
    expect(read(unnamed, { contentType: `${oci}.manifest.v1+json` })).to.have.property('manifest');
    expect(read(manifest, { contentType: 'application/json' })).to.have.property('manifest');
    expect(read(index)).to.have.property('index');
    expect(read(unnamedIndex, { contentType: `${oci}.index.v1+json` })).to.have.property('index');
    const old = { ...manifest, mediaType: `${docker}.distribution.manifest.v2+json` };
    expect(
      read({ ...old, config: { ...config, mediaType: `${docker}.container.image.v1+json` } }),
    ).to.have.property('manifest');
    expect(read({ ...index, mediaType: `${docker}.distribution.manifest.list.v2+json` })).to.have.property(
      'index',
    );
  });

  it('mean one thing only: what can be read two ways is refused (CVE-2021-41190)', () => {
    const both = { kind: 'corrupt' } as const;
    refused({ ...manifest, manifests: [entry] }, undefined, { ...both, field: 'manifest.manifests' });
    refused({ ...index, layers: [layer] }, undefined, { ...both, field: 'manifest.layers' });
    refused({ ...index, config }, undefined, { ...both, field: 'manifest.config' });
    refused({ schemaVersion: 2, config, layers: [layer], manifests: [entry] }, undefined, {
      ...both,
      field: 'manifest.layers',
    });
    const typed = { ...both, field: 'manifest.mediaType', text: 'one type only' };
    refused(manifest, { contentType: `${oci}.index.v1+json` }, typed);
    refused(manifest, { described: `${docker}.distribution.manifest.v2+json` }, typed);
    refused(index, { contentType: `${oci}.manifest.v1+json` }, typed);
  });

  it('of other things are refused by what they are', () => {
    const artifact = { kind: 'unsupported', field: 'manifest.config.mediaType' } as const;
    const empty = { ...config, mediaType: 'application/vnd.oci.empty.v1+json' };
    refused({ ...manifest, artifactType: 'text/sbom', config: empty }, undefined, {
      ...artifact,
      text: 'text/sbom',
    });
    refused({ ...manifest, config: empty }, undefined, { ...artifact, text: 'oci.empty' });
    const old = { mediaType: 'application/vnd.oci.artifact.manifest.v1+json', artifactType: 'text/x' };
    refused(old, undefined, { ...artifact, text: 'text/x' });
    const first = { kind: 'unsupported', field: 'manifest.schemaVersion' } as const;
    refused({ schemaVersion: 1, name: 'x' }, undefined, first);
    refused({ fsLayers: [] }, { contentType: `${docker}.distribution.manifest.v1+prettyjws` }, first);
    refused({ ...manifest, mediaType: 'text/html' }, undefined, {
      kind: 'unsupported',
      field: 'manifest.mediaType',
    });
    refused({ ...manifest, layers: [] }, undefined, { kind: 'unsupported', field: 'manifest.layers' });
  });

  it('may have digests by sha512, but for the config, whose digest is the id', () => {
    const long = `sha512:${'b'.repeat(128)}`;
    expect(layersOf({ ...manifest, layers: [{ ...layer, digest: long }] })[0]?.digest).to.equal(long);
    refused({ ...manifest, config: { ...config, digest: long } }, undefined, {
      kind: 'unsupported',
      field: 'manifest.config.digest',
    });
    const short = { ...layer, digest: `sha512:${'b'.repeat(64)}` };
    refused({ ...manifest, layers: [short] }, undefined, {
      kind: 'corrupt',
      field: 'manifest.layers[0].digest',
    });
  });

  it('may have layers that registries do not keep, which are layers like others with addresses', () => {
    const urls = ['https://a.io/layer'];
    const foreign = { ...layer, mediaType: `${docker}.image.rootfs.foreign.diff.tar.gzip`, urls };
    const other = { ...layer, mediaType: `${oci}.layer.nondistributable.v1.tar+gzip`, urls };
    expect(layersOf({ ...manifest, layers: [foreign, other] })).to.deep.equal([
      { mediaType: `${docker}.image.rootfs.diff.tar.gzip`, digest, sizeBytes: 3, urls },
      { mediaType: layer.mediaType, digest, sizeBytes: 3, urls },
    ]);
    for (const url of ['file:///etc/shadow', 'ftp://a.io/x', 'x']) {
      refused({ ...manifest, layers: [{ ...foreign, urls: [url] }] }, undefined, {
        kind: 'corrupt',
        field: 'manifest.layers[0].urls',
      });
    }
  });
});

describe('images: configs', () => {
  const readConfig = (document: object) => readImageConfig(Buffer.from(JSON.stringify(document)));
  const rootfs = { type: 'layers', diff_ids: [digest] };

  it('have layers and nothing else for a root file system', () => {
    expect(readConfig({ rootfs }).diffIds).to.deep.equal([digest]);
    for (const [document, field] of [
      [{ rootfs: { ...rootfs, type: 'layers+base' } }, 'config.rootfs.type'],
      [{ rootfs: { ...rootfs, diff_ids: ['x'] } }, 'config.rootfs.diff_ids[0]'],
      [{}, 'config.rootfs'],
      [{ rootfs, os: 7 }, 'config.os'],
    ] as const) {
      expect(() => readConfig(document), field)
        .to.throw(NodeletError)
        .that.includes({ kind: 'corrupt', field });
    }
  });
});
