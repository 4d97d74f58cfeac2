import { expect } from 'chai';
import { readOnlyPaths } from '../../src/spec/mounts/read-only-paths.js';

describe('spec: read-only paths', () => {
  it('are followed by the read-only mounts below them, which crun would leave writable', () => {
    const mounts = [
      { destination: '/etc/app', options: ['rbind', 'ro'] },
      { destination: '/etc/whole', options: ['rbind', 'rro'] },
      { destination: '/etc/data', options: ['rbind', 'rw'] },
      { destination: '/etcetera', options: ['rbind', 'ro'] },
      { destination: '/proc' },
    ];
    expect(readOnlyPaths(['/etc/'], mounts)).to.deep.equal(['/etc/', '/etc/app', '/etc/whole']);
    expect(readOnlyPaths([], mounts)).to.deep.equal([]);
  });
});
