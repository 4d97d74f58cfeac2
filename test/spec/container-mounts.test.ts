import { expect } from 'chai';
import { newImageSpec, newMount } from '../../src/ports/cri/messages.js';
import type { Mount } from '../../src/ports/cri/messages.js';
import { containerMounts } from '../../src/spec/mounts/container-mounts.js';

const files = { resolvConf: '/pod/resolv', hosts: '/pod/hosts', hostname: '/pod/hostname', shm: '/pod/shm' };

function mountsOf(...mounts: Partial<Mount>[]) {
  const prepared = mounts.map((set) => ({
    mount: newMount(set),
    source: set.host_path ?? '/content',
    destination: set.container_path ?? '',
  }));
  const input = { privileged: false, mapping: undefined, hostNetwork: false, readOnlyRoot: false };
  return containerMounts({ mounts: prepared, files, ...input });
}
const placesOf = (...paths: string[]) =>
  mountsOf(...paths.map((container_path) => ({ container_path, host_path: '/own' }))).map(
    ({ destination, source }) => `${destination} ${source}`,
  );

describe('spec: the mounts of a container', () => {
  it('come after those of the kernel, a folder before what lies in it', () => {
    expect(placesOf('/a/b/c', '/a', '/etc/x', '/a/b', '/etc')).to.deep.equal([
      '/proc proc',
      '/dev tmpfs',
      '/dev/pts devpts',
      '/dev/mqueue mqueue',
      '/sys sysfs',
      '/sys/fs/cgroup cgroup',
      '/a /own',
      '/etc /own',
      '/dev/shm /pod/shm',
      '/etc/resolv.conf /pod/resolv',
      '/etc/hosts /pod/hosts',
      '/etc/hostname /pod/hostname',
      '/etc/x /own',
      '/a/b /own',
      '/a/b/c /own',
    ]);
  });

  it("take the place of the pod's own files, and of all that the kernel has at and below theirs", () => {
    const places = placesOf('/etc/resolv.conf', '/etc/hosts', '/etc/hostname', '/dev/shm', '/sys', '/dev');
    expect(places).to.deep.equal([
      '/proc proc',
      '/sys /own',
      '/dev /own',
      '/etc/resolv.conf /own',
      '/etc/hosts /own',
      '/etc/hostname /own',
      '/dev/shm /own',
    ]);
  });

  it('are read-only alone or with all below, and travel as asked', () => {
    const options = (set: Partial<Mount>) =>
      mountsOf({ container_path: '/zz/v', host_path: '/own', ...set }).at(-1)?.options;
    expect(options({})).to.deep.equal(['rbind', 'rprivate', 'rw']);
    expect(options({ readonly: true })).to.deep.equal(['rbind', 'rprivate', 'ro']);
    expect(options({ readonly: true, recursive_read_only: true })).to.deep.equal([
      'rbind',
      'rprivate',
      'rro',
    ]);
    expect(options({ propagation: 'PROPAGATION_HOST_TO_CONTAINER' })).to.include('rslave');
    expect(options({ propagation: 'PROPAGATION_BIDIRECTIONAL' })).to.include('rshared');
  });

  it('of images bring no rights and no devices', () => {
    const image = newImageSpec({ image: 'data:1' });
    expect(mountsOf({ container_path: '/zz/v', image, readonly: true }).at(-1)).to.deep.equal({
      destination: '/zz/v',
      type: 'bind',
      source: '/content',
      options: ['rbind', 'rprivate', 'ro', 'nosuid', 'nodev'],
    });
  });
});
