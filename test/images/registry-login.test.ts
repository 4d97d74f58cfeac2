import { expect } from 'chai';
import { NodeletError } from '../../src/base/errors.js';
import { findLogin } from '../../src/images/registry/credentials.js';
import { requestLogin } from '../../src/images/registry/login.js';
import type { Host } from '../../src/ports/host.js';
import type { AuthConfig } from '../../src/ports/cri/messages.js';
import { newAuthConfig } from '../../src/ports/cri/messages.js';

const base64 = (text: string): string => Buffer.from(text).toString('base64');

const loginOf = (auth: AuthConfig | null) => requestLogin(auth)?.login;
/** A machine without a Docker configuration. */
const bare = { files: { read: async () => undefined } } as unknown as Pick<Host, 'files' | 'processes'>;

describe("images: CRI's AuthConfig", () => {
  it('is a name and password, plain or in base64, with Docker padding', () => {
    const wanted = { kind: 'password', username: 'u', password: 'p:q' };
    expect(loginOf(newAuthConfig({ username: 'u', password: 'p:q' }))).to.deep.equal(wanted);
    expect(loginOf(newAuthConfig({ auth: base64('u:p:q') }))).to.deep.equal(wanted);
    expect(loginOf(newAuthConfig({ auth: base64('u:p:q\0\0') }))).to.deep.equal(wanted);
  });

  it('is a token to refresh or to use', () => {
    expect(loginOf(newAuthConfig({ identity_token: 't' }))).to.deep.equal({
      kind: 'refresh-token',
      token: 't',
    });
    expect(loginOf(newAuthConfig({ registry_token: 't' }))).to.deep.equal({
      kind: 'bearer',
      token: 't',
    });
  });

  it('is shown to the registry of its server_address only', async () => {
    for (const [address, registry, used] of [
      ['https://r.io/v1/', 'r.io', true],
      ['r.io:5000', 'r.io:5000', true],
      ['R.io', 'r.io', true],
      ['https://r.io:443', 'r.io', true],
      ['https://index.docker.io/v1/', 'docker.io', true],
      ['r.io', 'evil.io', false],
      ['r.io', 'r.io:5000', false],
    ] as const) {
      const request = requestLogin(newAuthConfig({ username: 'u', server_address: address }));
      const { signal } = new AbortController();
      const wish = {
        host: registry,
        repository: 'a',
        isMirror: false,
        configured: undefined,
        request,
        signal,
      };
      const found = await findLogin(wish, { dockerConfig: '/none', host: bare });
      expect(found.login?.kind, `${address} for ${registry}`).to.equal(used ? 'password' : undefined);
      if (!used) expect(found.elsewhere).to.equal('r.io');
    }
  });

  it('may be told twice, as long as it is one', () => {
    const wanted = { kind: 'password', username: 'u', password: 'p' };
    const twice = newAuthConfig({ username: 'u', password: 'p', auth: base64('u:p') });
    expect(loginOf(twice)).to.deep.equal(wanted);
    // As Docker's configuration has it for registries of some clouds.
    const placeholder = newAuthConfig({ username: '00000000-0000', identity_token: 't' });
    expect(loginOf(placeholder)).to.deep.equal({ kind: 'refresh-token', token: 't' });
  });

  it('is nothing when it is empty', () => {
    expect(loginOf(null)).to.equal(undefined);
    expect(loginOf(newAuthConfig())).to.equal(undefined);
    expect(loginOf(newAuthConfig({ server_address: 'else.io' }))).to.equal(undefined);
  });

  it('is refused by the name of the field when it makes no sense', () => {
    for (const [auth, field] of [
      [{ auth: 'no base64 of a pair' }, 'auth.auth'],
      [{ auth: base64(':p') }, 'auth.auth'],
      [{ auth: 'bm8 gcGFpcg' }, 'auth.auth'],
      [{ password: 'p' }, 'auth.username'],
      [{ username: 'a:b', password: 'p' }, 'auth.username'],
      [{ identity_token: 'two words' }, 'auth.identity_token'],
      [{ registry_token: 'line\nbreak' }, 'auth.registry_token'],
      [{ username: 'u', password: 'p', auth: base64('u:other') }, 'auth.auth'],
      [{ username: 'u', password: 'p', identity_token: 't' }, 'auth.identity_token'],
      [{ auth: base64('u:p'), registry_token: 't' }, 'auth.registry_token'],
      [{ identity_token: 't', registry_token: 't' }, 'auth.registry_token'],
    ] as const) {
      expect(() => loginOf(newAuthConfig(auth)))
        .to.throw(NodeletError)
        .that.includes({ kind: 'invalid', field });
    }
  });
});
