import { expect } from 'chai';
import { NodeletError } from '../../src/base/errors.js';
import { registryLogin } from '../../src/images/registry-login.js';
import { newAuthConfig } from '../../src/ports/cri/messages.js';

const base64 = (text: string): string => Buffer.from(text).toString('base64');

describe("images: CRI's AuthConfig", () => {
  it('is a name and password, plain or in base64, with Docker padding', () => {
    const wanted = { kind: 'password', username: 'u', password: 'p:q' };
    expect(registryLogin(newAuthConfig({ username: 'u', password: 'p:q' }), 'r.io')).to.deep.equal(wanted);
    expect(registryLogin(newAuthConfig({ auth: base64('u:p:q') }), 'r.io')).to.deep.equal(wanted);
    expect(registryLogin(newAuthConfig({ auth: base64('u:p:q\0\0') }), 'r.io')).to.deep.equal(wanted);
  });

  it('is a token to refresh or to use', () => {
    expect(registryLogin(newAuthConfig({ identity_token: 't' }), 'r.io')).to.deep.equal({
      kind: 'refresh-token',
      token: 't',
    });
    expect(registryLogin(newAuthConfig({ registry_token: 't' }), 'r.io')).to.deep.equal({
      kind: 'bearer',
      token: 't',
    });
  });

  it('is for the registry of its server_address only', () => {
    for (const [address, registry, used] of [
      ['https://r.io/v1/', 'r.io', true],
      ['r.io:5000', 'r.io:5000', true],
      ['https://index.docker.io/v1/', 'docker.io', true],
      ['r.io', 'evil.io', false],
      ['r.io', 'r.io:5000', false],
    ] as const) {
      const login = registryLogin(newAuthConfig({ username: 'u', server_address: address }), registry);
      expect(login !== undefined, `${address} for ${registry}`).to.equal(used);
    }
  });

  it('is nothing when it is empty', () => {
    expect(registryLogin(null, 'r.io')).to.equal(undefined);
    expect(registryLogin(newAuthConfig(), 'r.io')).to.equal(undefined);
  });

  it('is refused by the name of the field when it makes no sense', () => {
    for (const [auth, field] of [
      [{ auth: 'no base64 of a pair' }, 'auth.auth'],
      [{ auth: base64(':p') }, 'auth.auth'],
      [{ password: 'p' }, 'auth.username'],
    ] as const) {
      expect(() => registryLogin(newAuthConfig(auth), 'r.io'))
        .to.throw(NodeletError)
        .that.includes({ kind: 'invalid', field });
    }
  });
});
