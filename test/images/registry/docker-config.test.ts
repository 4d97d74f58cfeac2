import { expect } from 'chai';
import { NodeletError } from '../../../src/base/errors.js';
import type { LoginWish } from '../../../src/images/registry/credentials.js';
import { findLogin } from '../../../src/images/registry/credentials.js';
import type { Host } from '../../../src/ports/host.js';
import type { RunOptions, RunResult } from '../../../src/ports/processes.js';

const base64 = (text: string): string => Buffer.from(text).toString('base64');
const password = (username: string, secret: string) => ({ kind: 'password', username, password: secret });

describe('images: logins of a Docker configuration', () => {
  let asked: { argv: readonly string[]; stdin: string }[];
  let answer: Partial<RunResult> | Error;
  beforeEach(() => {
    asked = [];
    answer = { stdout: Buffer.from('{"ServerURL":"x","Username":"h","Secret":"s"}') };
  });

  function find(config: unknown, wish: Partial<LoginWish> & { host: string; repository: string }) {
    const text = typeof config === 'string' ? config : JSON.stringify(config);
    const host = {
      files: { read: async () => Buffer.from(text) },
      processes: {
        run: async ({ argv, stdin = Buffer.of() }: RunOptions) => {
          asked.push({ argv, stdin: Buffer.from(stdin).toString() });
          if (answer instanceof Error) throw answer;
          return { exitCode: 0, stdout: Buffer.of(), stderr: Buffer.of(), ...answer };
        },
      },
    } as unknown as Pick<Host, 'files' | 'processes'>;
    const whole = { isMirror: false, configured: undefined, request: undefined, ...wish };
    return findLogin({ signal: new AbortController().signal, ...whole }, { dockerConfig: '/c.json', host });
  }
  async function complaint(config: unknown): Promise<NodeletError> {
    const outcome = await find(config, { host: 'r.io', repository: 'a' }).catch((thrown: unknown) => thrown);
    if (outcome instanceof NodeletError) return outcome;
    throw new Error('it should have been refused');
  }

  it('are found by the registry, however Docker wrote it', async () => {
    const auths = {
      'https://index.docker.io/v1/': { auth: base64('hub:1') },
      'r.io': { username: 'r', password: '2' },
      'https://old.io/v2/': { auth: base64('old:3') },
      'q.io:5000': { identitytoken: 'idt', auth: base64('00000000-0000:') },
      'helper.io': {},
    };
    const loginFor = async (host: string) => (await find({ auths }, { host, repository: 'a/b' })).login;
    expect(await loginFor('docker.io')).to.deep.equal(password('hub', '1'));
    expect(await loginFor('r.io')).to.deep.equal(password('r', '2'));
    expect(await loginFor('old.io')).to.deep.equal(password('old', '3'));
    expect(await loginFor('q.io:5000')).to.deep.equal({ kind: 'refresh-token', token: 'idt' });
    for (const other of ['q.io', 'helper.io', 'x.io'])
      expect(await loginFor(other), other).to.equal(undefined);
  });

  it('may be for a part of a registry: the longest path wins', async () => {
    const auths = {
      'r.io': { auth: base64('all:1') },
      'r.io/team': { auth: base64('team:2') },
      'r.io/team/app': { auth: base64('app:3') },
    };
    const nameFor = async (repository: string) => {
      const { login } = await find({ auths }, { host: 'r.io', repository });
      return login?.kind === 'password' ? login.username : undefined;
    };
    expect(await nameFor('other')).to.equal('all');
    expect(await nameFor('teams')).to.equal('all');
    expect(await nameFor('team/x')).to.equal('team');
    expect(await nameFor('team/app')).to.equal('app');
  });

  it('come after those of the request and of the registries file', async () => {
    const config = { auths: { 'r.io': { auth: base64('docker:1') } } };
    const at = { host: 'r.io', repository: 'a' };
    const [file, own] = [password('file', '2'), password('own', '3')] as LoginWish['configured'][];
    expect((await find(config, { ...at, configured: file })).from).to.equal('the registries file');
    const request = own && { login: own, host: undefined };
    expect(await find(config, { ...at, configured: file, request })).to.deep.equal({
      login: own,
      from: 'the request',
    });
    expect(
      (await find(config, { ...at, isMirror: true, request })).from,
      'a mirror is not the registry',
    ).to.equal('/c.json');
    const forMirror = own && { login: own, host: 'r.io' };
    expect((await find(config, { ...at, isMirror: true, request: forMirror })).login).to.equal(own);
  });

  it('come from a helper, of the registry or of all, before those in the file', async () => {
    const config = {
      auths: { 'r.io': { auth: base64('file:1') }, 's.io': { auth: base64('file:1') } },
      credHelpers: { 'r.io': 'own' },
      credsStore: 'all',
    };
    const found = await find(config, { host: 'r.io', repository: 'a' });
    expect(found).to.deep.equal({ login: password('h', 's'), from: 'docker-credential-own' });
    await find(config, { host: 'docker.io', repository: 'a' });
    expect(asked).to.deep.equal([
      { argv: ['docker-credential-own', 'get'], stdin: 'r.io\n' },
      { argv: ['docker-credential-all', 'get'], stdin: 'https://index.docker.io/v1/\n' },
    ]);
    answer = { stdout: Buffer.from('{"Username":"<token>","Secret":"idt"}') };
    const token = await find(config, { host: 's.io', repository: 'a' });
    expect(token.login).to.deep.equal({ kind: 'refresh-token', token: 'idt' });
    answer = { exitCode: 1, stdout: Buffer.from('credentials not found in native keychain\n') };
    expect((await find(config, { host: 's.io', repository: 'a' })).login).to.deep.equal(
      password('file', '1'),
    );
  });

  it('fail by the name of a helper that fails, without a word of what it printed', async () => {
    const config = { credsStore: 'broken' };
    answer = { exitCode: 3, stderr: Buffer.from('no key ring\nmore') };
    expect((await complaint(config)).describe()).to.include(
      'docker-credential-broken ended with 3: no key ring',
    );
    answer = new NodeletError('tool-failed', 'no such program');
    expect((await complaint(config)).describe()).to.include('docker-credential-broken could not be asked');
    answer = { stdout: Buffer.from('{"Secret":"hush"') };
    const error = await complaint(config);
    expect(error.describe()).to.include('answered no login').and.not.include('hush');
  });

  it('are refused by the name of the member when they make no sense, without quoting the file', async () => {
    for (const [config, part] of [
      ['{"auths": {"r.io": {"auth": "hush"', 'no JSON'],
      [[], 'it must be an object'],
      [{ auths: [] }, 'auths'],
      [{ auths: { 'r.io': 'x' } }, 'auths["r.io"]'],
      [{ auths: { 'r.io': { auth: 'hush' } } }, 'auths["r.io"].auth'],
      [{ auths: { 'r.io': { auth: 7 } } }, 'auths["r.io"].auth'],
      [{ credsStore: '../../bin/sh' }, 'credsStore'],
      [{ credHelpers: { 'r.io': 'a b' } }, 'credHelpers["r.io"]'],
    ] as const) {
      const error = await complaint(config);
      expect(error.describe(), part).to.include(part).and.include('/c.json').and.not.include('hush');
      expect(error.kind).to.equal('invalid');
    }
    expect((await find('', { host: 'r.io', repository: 'a' })).login, 'after a logout').to.equal(undefined);
  });
});
