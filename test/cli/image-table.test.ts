import { expect } from 'chai';
import { imageTable, imagesNamed } from '../../src/cli/image-table.js';

const hex = 'a'.repeat(64);
const nginx = {
  id: `sha256:${hex}`,
  repo_tags: ['docker.io/library/nginx:1', 'docker.io/library/nginx:latest', '127.0.0.1:5000/web:1'],
  repo_digests: [`docker.io/library/nginx@sha256:${'b'.repeat(64)}`],
  size: '12345678',
};
const untagged = { id: `sha256:${'c'.repeat(64)}`, repo_digests: [`quay.io/a/b@sha256:${hex}`], size: '0' };
const table = { quiet: false, digests: false, trunc: true };
const named = (pattern: string) =>
  imagesNamed([nginx, untagged], pattern).flatMap(({ repo_tags = [], repo_digests = [] }) =>
    repo_tags.length > 0 ? repo_tags : repo_digests.map((digest) => digest.split('@')[0]),
  );

describe('cli: the table of images', () => {
  it('has a row for each tag, and one for an image without', () => {
    const lines = imageTable([nginx, untagged], table).split('\n');
    expect(lines[0]).to.match(/^IMAGE +ID +SIZE$/);
    expect(lines[1]).to.match(/^docker\.io\/library\/nginx:1 +a{12} +12\.3MB$/);
    expect(lines[4]).to.match(/^quay\.io\/a\/b@sha256:a{64} +c{12} +0\.0MB$/);
    expect(lines).to.have.length(6);
  });

  it('has each digest beside the tags of its registry', () => {
    const lines = imageTable([nginx], { ...table, digests: true }).split('\n');
    expect(lines[1]).to.match(/^docker\.io\/library\/nginx:1 +sha256:b{64} +a{12} /);
    expect(lines[3]).to.match(/^127\.0\.0\.1:5000\/web:1 +<none> +a{12} /);
  });

  it('is of ids alone, whole or short', () => {
    expect(imageTable([nginx], { ...table, quiet: true })).to.equal('aaaaaaaaaaaa\n');
    expect(imageTable([nginx], { ...table, quiet: true, trunc: false })).to.equal(`sha256:${hex}\n`);
  });

  it('is of the names that a pattern means', () => {
    expect(named('nginx')).to.deep.equal(nginx.repo_tags.slice(0, 2));
    expect(named('nginx:1')).to.deep.equal(['docker.io/library/nginx:1']);
    expect(named('docker.io/library/ng*:l*')).to.deep.equal(['docker.io/library/nginx:latest']);
    expect(named('127.0.0.1:5000/web')).to.deep.equal(['127.0.0.1:5000/web:1']);
    expect(named('quay.io/a/*')).to.deep.equal(['quay.io/a/b']);
    expect(named('quay.io/*'), '* ends at a slash').to.deep.equal([]);
    expect(named('ngin.'), 'a dot is a dot').to.deep.equal([]);
  });
});
