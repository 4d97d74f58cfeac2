import { expect } from 'chai';
import { NodeletError } from '../../../src/base/errors.js';
import { parseReference } from '../../../src/images/reference.js';
import { coveredChars, longestMatch } from '../../../src/images/registry/prefix.js';
import { planSources } from '../../../src/images/registry/source-plan.js';
import { parseRegistriesFile, rulesOfConfig } from '../../../src/spec/config/registries-file.js';

const rulesOf = (text: string) => parseRegistriesFile(text, 'registries.yaml');
const bases = (reference: string, text = '') =>
  planSources(parseReference(reference), rulesOf(text)).flatMap((source) => source.bases);

describe('images: a prefix of a name', () => {
  it('ends where a part of the path ends', () => {
    expect(coveredChars('r.io/team', 'r.io/team/app')).to.equal(9);
    expect(coveredChars('r.io/team', 'r.io/team')).to.equal(9);
    expect(coveredChars('r.io/team', 'r.io/teams/app')).to.equal(undefined);
    expect(coveredChars('r.io', 'r.io:5000/app')).to.equal(undefined);
    expect(coveredChars('R.io', 'r.IO/app')).to.equal(4);
  });

  it('may leave labels of the host open, of which there is at least one', () => {
    expect(coveredChars('*.corp.lan', 'a.corp.lan/x')).to.be.a('number');
    expect(coveredChars('*.corp.lan', 'a.b.corp.lan/x')).to.be.a('number');
    for (const other of ['corp.lan/x', 'acorp.lan/x', 'a.corp.lan:5000/x', 'a.corp.lan.evil.io/x']) {
      expect(coveredChars('*.corp.lan', other), other).to.equal(undefined);
    }
  });

  it('wins by its length', () => {
    const entries = ['*.lan', '*.b.lan', 'a.b.lan', 'a.b.lan/x', '*.b.lan/x/y'].map((prefix) => ({ prefix }));
    const best = (name: string) => longestMatch(entries, name)?.prefix;
    expect(best('c.lan/x')).to.equal('*.lan');
    expect(best('c.b.lan/x')).to.equal('*.b.lan');
    expect(best('a.b.lan/z')).to.equal('a.b.lan');
    expect(best('a.b.lan/x')).to.equal('a.b.lan/x');
    expect(best('b.io/x')).to.equal(undefined);
    expect(longestMatch([{ prefix: '*.b.lan' }, { prefix: 'a.b.lan' }], 'a.b.lan/x')?.prefix).to.equal(
      'a.b.lan',
    );
  });
});

describe('images: where a repository is fetched from', () => {
  it('is the registry itself, where no rule says otherwise', () => {
    expect(bases('nginx')).to.deep.equal(['https://registry-1.docker.io/v2/library/nginx']);
    expect(bases('127.0.0.1:5000/a')).to.deep.equal(['http://127.0.0.1:5000/v2/a']);
    expect(bases('127.0.0.1.evil.io/a')).to.deep.equal(['https://127.0.0.1.evil.io/v2/a']);
    expect(bases('localhost/a')).to.deep.equal(['http://localhost/v2/a']);
  });

  it('are the mirrors in their order, below their paths, and then the registry itself', () => {
    const text =
      'registries: { docker.io: { mirrors: [{ host: m.lan, path: hub }, { host: n.lan, http: true }] } }';
    expect(bases('nginx', text)).to.deep.equal([
      'https://m.lan/v2/hub/library/nginx',
      'http://n.lan/v2/library/nginx',
      'https://registry-1.docker.io/v2/library/nginx',
    ]);
    const plans = planSources(parseReference('nginx'), rulesOf(text));
    expect(plans.map(({ query }) => query)).to.deep.equal(['?ns=docker.io', '?ns=docker.io', '']);
    expect(plans[0]?.repository).to.equal('hub/library/nginx');
  });

  it('is tried by https, and then by http, where either will do', () => {
    const [host] = planSources(parseReference('r.lan/a'), rulesOfConfig([{ host: 'r.lan', insecure: true }]));
    expect(host).to.deep.include({ bases: ['https://r.lan/v2/a', 'http://r.lan/v2/a'], skipVerify: true });
    expect(bases('127.0.0.1:5000/a', 'registries: { "127.0.0.1:5000": { ca: /c } }')).to.deep.equal([
      'https://127.0.0.1:5000/v2/a',
    ]);
  });

  it('is nowhere for what is blocked, by its longest rule', () => {
    const text = 'registries: { r.io: { blocked: true }, r.io/good: {} }';
    expect(() => bases('r.io/a', text))
      .to.throw(NodeletError, /r\.io is blocked/)
      .that.includes({ kind: 'denied', field: 'image.image' });
    expect(bases('r.io/good/a', text)).to.have.lengthOf(1);
  });
});
