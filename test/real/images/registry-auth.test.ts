import type http from 'node:http';
import { expect } from 'chai';
import type { AuthConfig } from '../../../src/ports/cri/messages.js';
import { newAuthConfig } from '../../../src/ports/cri/messages.js';
import { ImageWorld, failureOf } from './image-world.js';
import { imageOf, tarOf } from './registry-double.js';

const basic = `Basic ${Buffer.from('user:secret').toString('base64')}`;

describe('images: registries that want a login (real file system)', () => {
  let world: ImageWorld;
  let asked: { url: string; method: string; authorization: string; body: string }[];
  beforeEach(async () => {
    world = new ImageWorld();
    await world.start();
    asked = [];
    world.registry.put('app:1', imageOf({ layers: [tarOf([{ name: 'a', text: 'a' }])] }));
  });
  afterEach(() => world.remove());

  /** Lets requests in that carry this authorization, and answers others with this challenge. */
  function guard(accepted: string, challenge: string): void {
    world.registry.on('/v2/', (request, response) => {
      if (request.headers.authorization === accepted) world.registry.serve(request.url ?? '', response);
      else response.writeHead(401, { 'www-authenticate': challenge }).end();
    });
  }
  function tokenService(
    answer: (request: { authorization: string; body: string }) => string | undefined,
  ): string {
    world.registry.on('/token', (request: http.IncomingMessage, response) => {
      let body = '';
      request.on('data', (chunk: Buffer) => (body += chunk.toString()));
      request.on('end', () => {
        const { authorization = '' } = request.headers;
        asked.push({ url: request.url ?? '', method: request.method ?? '', authorization, body });
        const token = answer({ authorization, body });
        if (token === undefined) response.writeHead(401).end();
        else response.writeHead(200).end(JSON.stringify({ token }));
      });
    });
    return `Bearer realm="http://${world.registry.host}/token",service="the registry"`;
  }
  const pull = (auth?: AuthConfig): Promise<string> =>
    world.pull('app:1', auth === undefined ? {} : { auth });

  it('gives a name and password as they are asked for', async () => {
    guard(basic, 'Basic realm="r"');
    await pull(newAuthConfig({ username: 'user', password: 'secret' }));
    await pull(newAuthConfig({ auth: Buffer.from('user:secret').toString('base64') }));
    for (const auth of [undefined, newAuthConfig({ username: 'user', password: 'wrong' })]) {
      expect(await failureOf(pull(auth))).to.include({ kind: 'denied', field: 'auth' });
    }
  });

  it('fetches a token, with the login or without, once for a whole pull', async () => {
    guard(
      'Bearer abc',
      tokenService(({ authorization }) => (authorization === basic ? 'abc' : 'anonymous')),
    );
    await pull(newAuthConfig({ username: 'user', password: 'secret' }));
    expect(asked).to.have.lengthOf(1);
    const query = new URL(asked[0]?.url ?? '', 'http://x').searchParams;
    expect(Object.fromEntries(query)).to.deep.equal({
      scope: 'repository:app:pull',
      service: 'the registry',
    });
    expect(await failureOf(pull())).to.include({ kind: 'denied', field: 'auth' });
    expect(asked[1]?.authorization).to.equal('');
  });

  it('refreshes an identity token, and uses a registry token as it is', async () => {
    guard(
      'Bearer abc',
      tokenService(({ body }) =>
        new URLSearchParams(body).get('refresh_token') === 'idt' ? 'abc' : undefined,
      ),
    );
    await pull(newAuthConfig({ identity_token: 'idt' }));
    expect(asked[0]?.method).to.equal('POST');
    expect(new URLSearchParams(asked[0]?.body).get('grant_type')).to.equal('refresh_token');
    expect(await failureOf(pull(newAuthConfig({ identity_token: 'bad' })))).to.include({
      kind: 'denied',
      field: 'auth',
    });
    asked.length = 0;
    await pull(newAuthConfig({ registry_token: 'abc' }));
    expect(asked).to.deep.equal([]);
  });

  it('shows a login to no other registry than its own, also where that one redirects to', async () => {
    const seen: (string | undefined)[] = [];
    guard(basic, 'Basic realm="r"');
    const elsewhere = new ImageWorld();
    await elsewhere.start();
    try {
      elsewhere.registry.on('/', (request, response) => {
        seen.push(request.headers.authorization);
        world.registry.serve(request.url ?? '', response);
      });
      world.registry.on('/blobs/', (request, response) => {
        response.writeHead(307, { location: `http://${elsewhere.registry.host}${request.url}` }).end();
      });
      await pull(newAuthConfig({ username: 'user', password: 'secret' }));
      expect(seen).to.deep.equal([undefined, undefined]);
    } finally {
      await elsewhere.remove();
    }
    const other = newAuthConfig({ username: 'user', password: 'secret', server_address: 'other.io' });
    await world.removeImage(world.name('app:1'));
    const error = await failureOf(pull(other));
    expect(error).to.include({ kind: 'denied', field: 'auth.server_address' });
    expect(error.message).to.include('other.io');
  });

  it('refuses a challenge that leads nowhere', async () => {
    for (const challenge of ['Bearer realm="file:///etc/passwd"', 'Bearer realm="no url"', 'Negotiate', '']) {
      guard('never', challenge);
      expect(await failureOf(pull()), challenge).to.include({ kind: 'denied', field: 'auth' });
    }
  });
});
