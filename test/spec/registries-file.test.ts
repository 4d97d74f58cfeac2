import fs from 'node:fs';
import { expect } from 'chai';
import { NodeletError } from '../../src/base/errors.js';
import { parseRegistriesFile } from '../../src/spec/config/registries-file.js';

const parse = (text: string) => parseRegistriesFile(text, 'registries.yaml');

function complaint(text: string): string {
  try {
    parse(text);
  } catch (thrown) {
    if (thrown instanceof NodeletError) return thrown.describe();
    throw thrown;
  }
  return 'accepted';
}

const bare = { ca: undefined, clientCert: undefined, clientKey: undefined, auth: undefined };

describe('the registries file', () => {
  it('may be empty', () => {
    expect(parse('')).to.deep.equal([]);
    expect(parse('# later\nregistries: {}\n')).to.deep.equal([]);
  });

  it('has rules by prefix, with mirrors in order, each with settings of its own', () => {
    const [hub, team, lan] = parse(`
registries:
  docker.io:
    mirrors:
      - host: mirror.lan:5000
        path: hub
        ca: /etc/ca.pem
        auth: { username: me, password: secret }
      - host: 127.0.0.1:5001
        http: true
  registry.lan:5000/team:
    ca: /etc/ca.pem
    clientCert: /etc/cert.pem
    clientKey: /etc/key.pem
  "*.corp.lan":
    skipVerify: true
`);
    expect(hub?.mirrors).to.deep.equal([
      {
        ...bare,
        host: 'mirror.lan:5000',
        path: 'hub',
        scheme: 'https',
        ca: '/etc/ca.pem',
        auth: { kind: 'password', username: 'me', password: 'secret' },
      },
      { ...bare, host: '127.0.0.1:5001', path: '', scheme: 'http' },
    ]);
    expect(hub).to.deep.include({ prefix: 'docker.io', blocked: false, scheme: 'default' });
    expect(team).to.deep.include({ scheme: 'https', clientCert: '/etc/cert.pem', clientKey: '/etc/key.pem' });
    expect(lan).to.deep.include({ prefix: '*.corp.lan', scheme: 'skip-verify' });
  });

  it('says how a host is spoken to', () => {
    const schemeOf = (settings: string) => parse(`registries: { a.io: { ${settings} } }`)[0]?.scheme;
    expect(schemeOf('insecure: true')).to.equal('either');
    expect(schemeOf('insecure: false')).to.equal('default');
    expect(schemeOf('http: true')).to.equal('http');
    expect(schemeOf('http: false')).to.equal('https');
    expect(schemeOf('')).to.equal('default');
  });

  it('takes the example of the README', () => {
    const text = fs.readFileSync('README.md', 'utf8');
    const [, example = ''] = /```yaml\n(# registries\.yaml[^]*?)```/.exec(text) ?? [];
    expect(parse(example).map(({ prefix }) => prefix)).to.include('docker.io');
  });

  const rule = (settings: string) => `registries:\n  a.io:\n    ${settings}\n`;
  const refused: [name: string, text: string, parts: string[]][] = [
    ['an unknown key', 'registry: {}\n', ['registry', 'unknown key', ':1']],
    ['an unknown setting', rule('mirror: x'), ['registries.a.io.mirror', 'unknown key', ':3']],
    ['no registry', 'registries:\n  "http://a.io": {}\n', ['registries.http://a.io', 'must be a registry']],
    ['the same twice', 'registries:\n  a.io: {}\n  a.io: {}\n', ['unique', ':3']],
    ['a mirror without host', rule('mirrors: [{ path: a }]'), ['mirrors.0.host', 'required', ':3']],
    [
      'a mirror with an address',
      rule('mirrors: [{ host: "https://b.io" }]'),
      ['mirrors.0.host', 'must be a host'],
    ],
    [
      'a path in upper case',
      rule('mirrors: [{ host: b.io, path: A }]'),
      ['mirrors.0.path', 'must be a path'],
    ],
    [
      'an unknown key of a mirror',
      rule('mirrors: [{ host: b.io, hosts: 1 }]'),
      ['mirrors.0.hosts', 'unknown key'],
    ],
    ['a relative file', rule('ca: ca.pem'), ['a.io.ca', 'absolute', ':3']],
    ['a certificate without key', rule('clientCert: /c'), ['a.io.clientKey', 'required']],
    [
      'two ways at once',
      rule('{ http: true, skipVerify: true }'),
      ['a.io.skipVerify', "can't stand beside http"],
    ],
    ['certificates for http', rule('{ http: true, ca: /c }'), ['a.io.http', 'excludes']],
    ['a name alone', rule('auth: { username: me }'), ['a.io.auth.password', 'required']],
    ['two logins', rule('auth: { username: a, password: b, identityToken: c }'), ['a.io.auth', 'must be']],
    ['no login', rule('auth: {}'), ['a.io.auth', 'must be']],
    [
      'mirrors of what is blocked',
      rule('{ blocked: true, mirrors: [{ host: b.io }] }'),
      ['a.io.mirrors', 'blocked'],
    ],
    ['settings that are none', 'registries:\n  a.io:\n', ['registries.a.io', 'must be a map']],
  ];
  for (const [name, text, parts] of refused) {
    it(`refuses ${name}, saying where`, () => {
      const said = complaint(text);
      for (const part of parts) expect(said).to.include(part);
    });
  }
});
