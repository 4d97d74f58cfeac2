import { expect } from 'chai';
import { NodeletError } from '../../src/base/errors.js';
import { canonicalText, parseReference } from '../../src/images/reference.js';

const digest = `sha256:${'a'.repeat(64)}`;

describe('images: references', () => {
  for (const [text, canonical] of [
    ['nginx', 'docker.io/library/nginx:latest'],
    ['nginx:1.27', 'docker.io/library/nginx:1.27'],
    ['team/app', 'docker.io/team/app:latest'],
    ['docker.io/nginx', 'docker.io/library/nginx:latest'],
    ['index.docker.io/nginx', 'docker.io/library/nginx:latest'],
    ['localhost/app', 'localhost/app:latest'],
    ['localhost:5000/app', 'localhost:5000/app:latest'],
    ['127.0.0.1:5000/a/b_c/d-e.f:V1.2_x', '127.0.0.1:5000/a/b_c/d-e.f:V1.2_x'],
    ['[::1]:5000/app:1', '[::1]:5000/app:1'],
    ['Registry/app', 'Registry/app:latest'],
    ['ghcr.io/a/b', 'ghcr.io/a/b:latest'],
    [`nginx@${digest}`, `docker.io/library/nginx@${digest}`],
    [`ghcr.io/a/b:1@${digest}`, `ghcr.io/a/b:1@${digest}`],
    ['a__b/c--d', 'docker.io/a__b/c--d:latest'],
  ] as const) {
    it(`reads ${text}`, () => {
      expect(canonicalText(parseReference(text))).to.equal(canonical);
      expect(canonicalText(parseReference(canonical)), 'what it writes reads the same').to.equal(canonical);
    });
  }

  for (const text of [
    ...[
      '',
      ' ',
      '/',
      'a/',
      '/a',
      'a//b',
      'UPPER',
      'ghcr.io/Upper',
      'a:',
      'a:b:c',
      'a:-b',
      `a:${'t'.repeat(129)}`,
    ],
    ...[
      '../a',
      'a/../b',
      'ghcr.io/../../etc',
      'ghcr.io/a/..',
      'a..b',
      'a___b',
      'a/-b',
      'a-',
      'ghcr.io/',
      'ghcr.io'.concat('/'),
    ],
    ...[
      'a@sha256:12',
      `a@sha256:${'A'.repeat(64)}`,
      `a@md5:${'a'.repeat(32)}`,
      `a@${digest}@${digest}`,
      'a@',
    ],
    ...[digest, 'a'.repeat(64)],
    ...['host:port/a', '-host.io/a', 'a b', 'a?b', 'a\nb', 'http://a/b', `a/${'b'.repeat(256)}`],
  ]) {
    it(`refuses ${JSON.stringify(text.length > 60 ? `${text.slice(0, 60)}…` : text)}, naming the field`, () => {
      expect(() => parseReference(text, 'image.image'))
        .to.throw(NodeletError)
        .that.includes({ kind: 'invalid', field: 'image.image' });
    });
  }
});
