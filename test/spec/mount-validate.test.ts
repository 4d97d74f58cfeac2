import { expect } from 'chai';
import { newImageSpec, newMount } from '../../src/ports/cri/messages.js';
import type { Mount } from '../../src/ports/cri/messages.js';
import { cleanContainerPath, validateMounts } from '../../src/spec/mounts/mount-validate.js';

const bind = (set: Partial<Mount> = {}) => newMount({ container_path: '/in', host_path: '/out', ...set });
const image = (set: Partial<Mount> = {}) =>
  newMount({ container_path: '/in', image: newImageSpec({ image: 'data:1' }), readonly: true, ...set });

describe('spec: mounts are refused by the name of the field', () => {
  const refusals: [what: string, key: string, mount: Mount][] = [
    ['a relative place', 'container_path', bind({ container_path: 'in' })],
    ['no place', 'container_path', bind({ container_path: '' })],
    ['a place with a NUL', 'container_path', bind({ container_path: '/a\0b' })],
    ['the root', 'container_path', bind({ container_path: '/' })],
    ['the root by another name', 'container_path', bind({ container_path: '/a/./..//' })],
    ['no source', 'host_path', bind({ host_path: '' })],
    ['a relative source', 'host_path', bind({ host_path: 'out' })],
    ['a source with a NUL', 'host_path', bind({ host_path: '/a\0b' })],
    ['a sub path of no image', 'image_sub_path', bind({ image_sub_path: 'a' })],
    ['recursive read-only that may be written', 'recursive_read_only', bind({ recursive_read_only: true })],
    ...(['PROPAGATION_HOST_TO_CONTAINER', 'PROPAGATION_BIDIRECTIONAL'] as const).map(
      (propagation): [string, string, Mount] => [
        `recursive read-only with ${propagation}`,
        'recursive_read_only',
        bind({ readonly: true, recursive_read_only: true, propagation }),
      ],
    ),
    ['an image without a name', 'image.image', image({ image: newImageSpec() })],
    ['an image beside a host path', 'host_path', image({ host_path: '/out' })],
    ['an image to write to', 'readonly', image({ readonly: false })],
    ['an image that shares mounts', 'propagation', image({ propagation: 'PROPAGATION_BIDIRECTIONAL' })],
    ['a sub path that leads up', 'image_sub_path', image({ image_sub_path: 'a/../../b' })],
    ['an absolute sub path', 'image_sub_path', image({ image_sub_path: '/etc' })],
  ];
  for (const [what, key, mount] of refusals) {
    it(what, () => {
      expect(() => validateMounts([bind({ container_path: '/other' }), mount]))
        .to.throw()
        .that.includes({ kind: 'invalid', field: `config.mounts[1].${key}` });
    });
  }

  it('one place twice, however it is written', () => {
    const twice = [bind({ container_path: '/a/b' }), bind({ container_path: '/a//c/../b/' })];
    expect(() => validateMounts(twice))
      .to.throw('mounts[0]')
      .that.includes({ kind: 'invalid', field: 'config.mounts[1].container_path' });
  });

  it("an image's, with the word by which the kubelet knows them", () => {
    expect(() => validateMounts([image({ readonly: false })])).to.throw('ImageVolumeMountFailed');
  });

  it('but not what can be', () => {
    const mounts = [
      bind({ container_path: '/a/../b/' }),
      bind({ container_path: '/c', readonly: true, recursive_read_only: true, selinux_relabel: true }),
      image({ container_path: '/d', image_sub_path: 'etc/..data' }),
    ];
    expect(() => validateMounts(mounts)).not.to.throw();
    expect(mounts.map((mount) => cleanContainerPath(mount.container_path))).to.deep.equal(['/b', '/c', '/d']);
  });
});
