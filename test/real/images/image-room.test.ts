import { createHash } from 'node:crypto';
import fs from 'node:fs';
import http from 'node:http';
import type { AddressInfo } from 'node:net';
import os from 'node:os';
import path from 'node:path';
import { expect } from 'chai';
import { backgroundContext, silentLog } from '../../../src/base/call-context.js';
import { createRealHost } from '../../../src/host/real-host.js';
import { createImages } from '../../../src/images/image-room.js';
import type { Images } from '../../../src/images/images.js';
import type { Host } from '../../../src/ports/host.js';
import {
  newImageSpec,
  newImageStatusRequest,
  newPullImageRequest,
  newRemoveImageRequest,
} from '../../../src/ports/cri/messages.js';

const sha256 = (bytes: Buffer | string) => `sha256:${createHash('sha256').update(bytes).digest('hex')}`;

/** An image of one empty layer under every name and tag, over plain HTTP on loopback. */
function startRegistry(): Promise<http.Server> {
  const layer = Buffer.alloc(1024);
  const config = JSON.stringify({
    config: { Cmd: ['/x'] },
    rootfs: { type: 'layers', diff_ids: [sha256(layer)] },
  });
  const manifest = JSON.stringify({
    schemaVersion: 2,
    config: {
      mediaType: 'application/vnd.oci.image.config.v1+json',
      digest: sha256(config),
      size: config.length,
    },
    layers: [
      { mediaType: 'application/vnd.oci.image.layer.v1.tar', digest: sha256(layer), size: layer.length },
    ],
  });
  const blobs = new Map<string, Buffer | string>([
    [sha256(layer), layer],
    [sha256(config), config],
  ]);
  const server = http.createServer((request, response) => {
    const last = request.url?.split('/').at(-1) ?? '';
    response.end(request.url?.includes('/manifests/') ? manifest : blobs.get(last));
  });
  return new Promise((resolve) => server.listen(0, '127.0.0.1', () => resolve(server)));
}

describe('images: names, pins and snapshots (real host)', () => {
  let dir = '';
  let host: Host;
  let server: http.Server;
  let images: Images;
  let registry = '';
  beforeEach(async () => {
    dir = fs.mkdtempSync(path.join(os.tmpdir(), 'nodelet-images-'));
    host = createRealHost({ storePath: `${dir}/records`, bootPath: `${dir}/boot-records` });
    server = await startRegistry();
    registry = `127.0.0.1:${(server.address() as AddressInfo).port}`;
    images = createImages({
      ...host,
      config: { rootDir: dir, pauseImage: `${registry}/pause:1`, registries: [] },
      log: silentLog,
    });
    await images.start();
  });
  afterEach(async () => {
    for (const id of await images.snapshots.list()) await images.snapshots.remove(id);
    await host.store.close();
    server.close();
    fs.rmSync(dir, { recursive: true, force: true });
  });

  const spec = (name: string) => newImageSpec({ image: `${registry}/${name}` });
  const pull = (name: string) =>
    images.verbs.PullImage(newPullImageRequest({ image: spec(name) }), backgroundContext());

  it('keeps every name of one image that is pulled under several at once', async () => {
    await Promise.all(['a:1', 'b:1', 'c:1'].map(pull));
    for (const name of ['a:1', 'b:1', 'c:1']) {
      const status = await images.verbs.ImageStatus(
        newImageStatusRequest({ image: spec(name) }),
        backgroundContext(),
      );
      expect(status.image?.repo_tags, name).to.include(`${registry}/${name}`);
    }
  });

  it('keeps the configured pause image pinned, whatever else it is called', async () => {
    await images.pauseImage(backgroundContext());
    await pull('other:1');
    const removal = await images.verbs
      .RemoveImage(newRemoveImageRequest({ image: spec('other:1') }), backgroundContext())
      .then(
        () => undefined,
        (thrown: unknown) => thrown,
      );
    expect(removal).to.include({ kind: 'denied' });
    expect(images.lookup(`${registry}/pause:1`)?.pinned).to.equal(true);
  });

  it('mounts a snapshot again whose mount a reboot took away, with what was written', async () => {
    await pull('a:1');
    const image = images.lookup(`${registry}/a:1`);
    if (image === undefined) throw new Error('the pulled image is not there');
    const { rootfs } = await images.snapshots.prepare('s1', image.id);
    fs.writeFileSync(`${rootfs}/written`, 'x');
    await host.mounts.unmount(rootfs);
    await images.snapshots.prepare('s1', image.id);
    expect(fs.readFileSync(`${rootfs}/written`, 'utf8')).to.equal('x');
  });
});
