import { expect } from 'chai';
import {
  newContainerFilter,
  newCreateContainerRequest,
  newImageSpec,
  newImageStatusRequest,
  newListContainersRequest,
  newMount,
  newPullImageRequest,
  newRemoveImageRequest,
} from '../../../src/ports/cri/messages.js';
import type { ContainerConfig, ImageSpec } from '../../../src/ports/cri/messages.js';
import { RegistryDouble, imageOf, tarOf } from '../images/registry-double.js';
import { PodClient, failure } from '../pod-client.js';
import { startRealNode } from '../real-node.js';
import type { RealNode } from '../real-node.js';

describe('pods: the image of a container (real crun)', () => {
  let node: RealNode;
  let pods: PodClient;
  let sandbox = '';
  let reference = '';
  before(async () => {
    node = await startRealNode();
    reference = await node.image();
    pods = await PodClient.on(node, reference);
    sandbox = await pods.runPod();
  });
  after(() => node.dispose());

  const pull = async (image: string): Promise<string> =>
    (await node.cri.images.PullImage(newPullImageRequest({ image: newImageSpec({ image }) }), node.ctx))
      .image_ref;
  const listed = async (id: string) => {
    const request = newListContainersRequest({ filter: newContainerFilter({ id }) });
    return (await node.cri.runtime.ListContainers(request, node.ctx)).containers[0];
  };
  const withImage = (image: Partial<ImageSpec>): Partial<ContainerConfig> => ({ image: newImageSpec(image) });

  it('has one id in every answer, whichever of two registries it came from, and the digest of its own', async () => {
    // The same registry under another name is another registry to every client.
    const other = reference.replace('127.0.0.1', 'localhost');
    const ids = [await pull(reference), await pull(other)];
    const [id = ''] = ids;
    expect(ids[1]).to.equal(id);
    for (const name of [reference, other]) {
      const request = newImageStatusRequest({ image: newImageSpec({ image: name }) });
      const { image } = await node.cri.images.ImageStatus(request, node.ctx);
      expect(image?.id, name).to.equal(id);
      expect(image?.repo_tags).to.include.members([reference, other]);
      // As a kubelet asks: by what the pull answered, with the user's own words beside it.
      const container = await pods.run(sandbox, withImage({ image: id, user_specified_image: name }));
      for (const told of [await pods.status(container), await listed(container)]) {
        expect(told?.image_id, name).to.equal(id);
        expect(told?.image?.image).to.equal(name);
        expect(told?.image?.user_specified_image).to.equal(name);
        expect(told?.image_ref).to.equal(
          image?.repo_digests.find((digest) => digest.startsWith(`${name.split(':v')[0]}@`)),
        );
      }
    }
  });

  it('is found by tag, digest and id, and keeps what the request says of it to the letter', async () => {
    const request = newImageStatusRequest({ image: newImageSpec({ image: reference }) });
    const { image } = await node.cri.images.ImageStatus(request, node.ctx);
    if (image === null) throw new Error('the image is not there');
    const [digest = ''] = image.repo_digests;
    for (const form of [reference, digest, image.id, image.id.slice(7), image.id.slice(7, 20)]) {
      const annotations = { 'example.com/a': ' as it is ' };
      const id = await pods.create(
        sandbox,
        withImage({ image: form, annotations, image_ref: image.id, runtime_handler: 'crun' }),
      );
      const status = await pods.status(id);
      expect(status.image_id, form).to.equal(image.id);
      // A kubelet looks for unused images by id and handler, and images have no handler here.
      expect(status.image).to.deep.include({ annotations, image_ref: image.id, runtime_handler: '' });
    }
  });

  it('may be removed before the container starts, runs and ends, as a kubelet that makes room does', async () => {
    const image = await node.image({ env: ['ROOM=made'] });
    const id = await pull(image);
    const container = await pods.create(sandbox, { ...withImage({ image }), command: ['env'] });
    const before = await pods.status(container);
    const remove = () =>
      node.cri.images.RemoveImage(newRemoveImageRequest({ image: newImageSpec({ image }) }), node.ctx);
    await remove();
    await pods.start(container);
    const ended = await pods.exited(container);
    expect(await pods.logText(container)).to.match(/^ROOM=made$/m);
    expect([ended.image, ended.image_id, ended.image_ref]).to.deep.equal([
      before.image,
      id,
      before.image_ref,
    ]);
    await remove();
    expect(await failure(pods.create(sandbox, withImage({ image: id })))).to.include({ kind: 'not-found' });
  });

  it('needs a command, from the image or the request', async () => {
    const registry = new RegistryDouble();
    await registry.start();
    try {
      const layers = [tarOf([{ name: 'file', text: 'x' }])];
      registry.put('silent:1', imageOf({ layers, config: { Cmd: null } }));
      const image = newImageSpec({ image: `${registry.host}/silent:1` });
      await pull(image.image);
      const error = await failure(pods.create(sandbox, { image }));
      expect(error).to.include({ kind: 'invalid' });
      expect(error.message).to.match(/^config\.command: /);
      await pods.create(sandbox, { image, args: ['/file'] });
    } finally {
      await registry.stop();
    }
  });

  it('is told of an image volume by the id that its pull was answered with, whatever it was asked for by', async () => {
    const id = await pull(reference);
    for (const set of [{ image: id, user_specified_image: reference, image_ref: id }, { image: reference }]) {
      const image = newImageSpec(set);
      const container = await pods.create(sandbox, {
        mounts: [newMount({ container_path: '/volume', readonly: true, image })],
      });
      const [mount] = (await pods.status(container)).mounts;
      expect(mount?.image).to.deep.equal({ ...image, image: id, image_ref: id });
    }
    for (const [set, kind, field] of [
      [{ image: 'a//b' }, 'invalid', 'image.image'],
      [{ image: 'never/heard:of' }, 'not-found', 'image.image'],
      [{ image: reference, image_ref: 'sha256:x' }, 'not-found', 'image.image_ref'],
      [{ image: reference, runtime_handler: 'gvisor' }, 'invalid', 'image.runtime_handler'],
    ] as const) {
      const mounts = [newMount({ container_path: '/volume', readonly: true, image: newImageSpec(set) })];
      const error = await failure(pods.create(sandbox, { mounts }));
      expect(error, field).to.include({ kind });
      expect(error.message.startsWith(`config.mounts[0].${field}: `), error.message).to.equal(true);
    }
  });

  it('is refused by the name of the field: none, not here, another than its image_ref, an unknown handler', async () => {
    for (const [image, kind, field] of [
      [{ image: '' }, 'invalid', 'config.image.image'],
      [{ image: 'a//b' }, 'invalid', 'config.image.image'],
      [{ image: 'never/heard:of' }, 'not-found', 'config.image.image'],
      [{ image: reference, image_ref: `sha256:${'0'.repeat(64)}` }, 'not-found', 'config.image.image_ref'],
      [{ image: reference, runtime_handler: 'gvisor' }, 'invalid', 'config.image.runtime_handler'],
    ] as const) {
      const error = await failure(pods.create(sandbox, withImage(image)));
      expect(error, JSON.stringify(image)).to.include({ kind });
      expect(error.message).to.match(new RegExp(`^${field}: `));
    }
    const request = newCreateContainerRequest({ pod_sandbox_id: sandbox });
    expect(await failure(node.cri.runtime.CreateContainer(request, node.ctx))).to.include({
      kind: 'invalid',
    });
  });
});
