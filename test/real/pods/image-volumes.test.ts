import { execFileSync } from 'node:child_process';
import fs from 'node:fs';
import { expect } from 'chai';
import {
  newImageSpec,
  newImageStatusRequest,
  newMount,
  newRemoveContainerRequest,
  newRemoveImageRequest,
} from '../../../src/ports/cri/messages.js';
import type { Mount } from '../../../src/ports/cri/messages.js';
import { PodClient, failure } from '../pod-client.js';
import { startRealNode } from '../real-node.js';
import type { RealNode } from '../real-node.js';

const content = {
  files: { '/data/deep/note': 'in the image\n', '/data/run': '#!/bin/sh\necho ran\n' },
  links: { '/inner': 'data/deep', '/outer': '/etc', '/above': '../../../etc' },
};

describe('pods: images as volumes (real mounts)', () => {
  let node: RealNode;
  let pods: PodClient;
  let sandbox = '';
  let volume = '';
  before(async () => {
    node = await startRealNode({ as: 'child' });
    pods = await PodClient.on(node);
    sandbox = await pods.runPod();
    volume = await node.image(content);
  });
  after(() => node.dispose());

  const withImage = (set: Partial<Mount> = {}, image = volume) => ({
    mounts: [newMount({ container_path: '/vol', image: newImageSpec({ image }), readonly: true, ...set })],
  });
  const imageStatus = async (image: string) => {
    const request = newImageStatusRequest({ image: newImageSpec({ image }) });
    return (await node.cri.images.ImageStatus(request, node.ctx)).image;
  };

  it('are there to be read and run, and not to be written', async () => {
    const id = await pods.run(sandbox, withImage());
    expect(await pods.shell(id, 'cat /vol/data/deep/note /vol/inner/note')).to.equal(
      'in the image\nin the image',
    );
    expect((await pods.exec(id, 'touch', '/vol/x')).stderr).to.contain('Read-only file system');
    expect(await pods.shell(id, 'grep " /vol " /proc/self/mounts')).to.match(/ ro,nosuid,nodev,(?!.*noexec)/);
    expect(await pods.exec(id, '/vol/bin/busybox', 'echo', 'ran')).to.include({
      exitCode: 0,
      stdout: 'ran\n',
    });
  });

  it('are told in the status by the digest that the pull was answered with', async () => {
    const id = await pods.run(sandbox, withImage({ image_sub_path: 'data' }));
    const [told] = (await pods.status(id)).mounts;
    const digest = (await imageStatus(volume))?.id;
    expect(digest).to.match(/^sha256:/);
    expect(told).to.deep.include({
      container_path: '/vol',
      host_path: '',
      readonly: true,
      image_sub_path: 'data',
    });
    expect(told?.image).to.deep.include({ image: digest, image_ref: digest });
    expect((await imageStatus(told?.image?.image ?? ''))?.id, 'what a kubelet looks up').to.equal(
      (await imageStatus(volume))?.id,
    );
  });

  it('can be a folder of the image, also through a symlink that stays in it', async () => {
    for (const [image_sub_path, listed] of [
      ['data', 'deep\nrun'],
      ['data/./deep/', 'note'],
      ['inner', 'note'],
    ] as const) {
      const id = await pods.run(sandbox, withImage({ image_sub_path }));
      expect(await pods.shell(id, 'ls /vol'), image_sub_path).to.equal(listed);
    }
  });

  const refusals: [what: string, set: Partial<Mount>, key: string, kind: string][] = [
    ['a folder that is not there', { image_sub_path: 'data/none' }, 'image_sub_path', 'not-found'],
    ['a folder below a file', { image_sub_path: 'data/run/x' }, 'image_sub_path', 'not-found'],
    ['a file', { image_sub_path: 'data/run' }, 'image_sub_path', 'invalid'],
    ['a symlink to a place of the machine', { image_sub_path: 'outer' }, 'image_sub_path', 'invalid'],
    ['a symlink out of the image', { image_sub_path: 'above/cron.d' }, 'image_sub_path', 'invalid'],
    ['a path that leads up', { image_sub_path: 'data/..' }, 'image_sub_path', 'invalid'],
    ['leave to write', { readonly: false }, 'readonly', 'invalid'],
    [
      'an image that was not pulled',
      { image: newImageSpec({ image: 'localhost/none:1' }) },
      'image.image',
      'not-found',
    ],
  ];
  for (const [what, set, key, kind] of refusals) {
    it(`with ${what} are refused by name, in the kubelet's words, with nothing left behind`, async () => {
      const before = fs.readdirSync(`${node.config.rootDir}/snapshots`);
      const error = await failure(pods.create(sandbox, withImage(set)));
      expect(error).to.include({ kind });
      expect(error.message).to.match(
        new RegExp(`^config\\.mounts\\[0\\]\\.${key}: .*ImageVolumeMountFailed`),
      );
      expect(fs.readdirSync(`${node.config.rootDir}/snapshots`)).to.deep.equal(before);
    });
  }

  it('outlive the removal of their image and a kill of the daemon, and go with the container', async () => {
    const passing = await node.image({ files: { '/data/note': 'passing\n' } });
    const id = await pods.run(sandbox, withImage({ image_sub_path: 'data' }, passing));
    const layers = () =>
      fs.readdirSync(`${node.config.rootDir}/layers`).filter((name) => !name.endsWith('.recipe')).length;
    const held = layers();
    await node.cri.images.RemoveImage(
      newRemoveImageRequest({ image: newImageSpec({ image: passing }) }),
      node.ctx,
    );
    expect(await imageStatus(passing)).to.equal(null);
    await node.kill();
    await node.start();
    expect(await pods.shell(id, 'cat /vol/note')).to.equal('passing');
    expect(layers(), 'the layer stays').to.equal(held);
    await node.cri.runtime.RemoveContainer(newRemoveContainerRequest({ container_id: id }), node.ctx);
    await node.kill();
    await node.start();
    expect(layers(), 'the next start drops what nobody needs').to.equal(held - 1);
  });

  describe('that an image declares for itself', () => {
    let image = '';
    before(async () => {
      image = await node.image({
        volumes: ['/data', '/made', 'rel', '/etc/passwd', '/'],
        files: { '/data/note': 'of the image\n' },
        links: { '/data/link': 'note' },
      });
    });
    const run = (mounts: Mount[] = []) => pods.run(sandbox, { image: newImageSpec({ image }), mounts });
    const placesOf = (id: string) =>
      pods.shell(
        id,
        "awk '{print $5}' /proc/self/mountinfo | grep -E '^/(data|made|rel|etc/passwd)$' | sort",
      );

    it('hold what the image has there, can be written, and go with the container', async () => {
      const [id, other] = [await run(), await run()];
      expect(await placesOf(id)).to.equal('/data\n/made\n/rel');
      expect(await pods.shell(id, 'cat /data/link; stat -c %a /data; echo x > /data/own; ls /data')).to.equal(
        'of the image\n755\nlink\nnote\nown',
      );
      expect(await pods.shell(other, 'ls /data'), 'each container has its own').to.equal('link\nnote');
      expect((await pods.status(id)).mounts, 'the request named none').to.deep.equal([]);
      const dir = `${node.config.rootDir}/snapshots/${id}/volumes`;
      expect(fs.readFileSync(`${dir}/0/own`, 'utf8')).to.equal('x\n');
      await node.cri.runtime.RemoveContainer(newRemoveContainerRequest({ container_id: id }), node.ctx);
      expect(fs.existsSync(dir)).to.equal(false);
    });

    it('give way to a mount of the request at or around them', async () => {
      const host_path = `${node.dir}/own`;
      fs.mkdirSync(host_path, { recursive: true });
      const id = await run([newMount({ container_path: '/data', host_path })]);
      expect(await pods.shell(id, 'ls /data')).to.equal('');
      expect(execFileSync('ls', [host_path]).toString()).to.equal('');
    });
  });
});
