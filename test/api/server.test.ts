import { expect } from 'chai';
import { mkdir, mkdtemp, rm, stat, writeFile } from 'node:fs/promises';
import { createServer, request } from 'node:http';
import type { IncomingMessage } from 'node:http';
import type { AddressInfo } from 'node:net';
import type { Duplex } from 'node:stream';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { createApiServer } from '../../src/api/server.js';
import type { ApiServer } from '../../src/api/server.js';
import { silentLog } from '../../src/base/call-context.js';
import { AgentWorld, manifest } from '../agent/agent-world.js';

describe('api: pods over a Unix socket', () => {
  let dir: string;
  let world: AgentWorld;
  let server: ApiServer;
  const pods = '/api/v1/namespaces/default/pods';

  const call = (
    method: string,
    path: string,
    body = '',
    headers: Record<string, string> = {},
  ): Promise<{ code: number | undefined; text: string }> =>
    new Promise((resolve, reject) => {
      const sent = request({ socketPath: join(dir, 'api.sock'), method, path, headers }, (response) => {
        let text = '';
        response.setEncoding('utf8').on('data', (chunk: string) => (text += chunk));
        response.on('end', () => resolve({ code: response.statusCode, text }));
        response.on('error', reject);
      });
      sent.on('error', reject);
      sent.end(body);
    });

  const applyBody = (text: string): string => JSON.stringify({ manifests: [{ source: 'web.yaml', text }] });

  beforeEach(async () => {
    dir = await mkdtemp(join(tmpdir(), 'nodelet-api-'));
    world = new AgentWorld(join(dir, 'logs'));
    await world.agent.start();
    server = createApiServer({ agent: world.agent, socketPath: join(dir, 'api.sock'), log: silentLog });
    await server.start();
  });
  afterEach(async () => {
    await server.stop();
    await world.agent.stop();
    await rm(dir, { recursive: true });
  });

  it('listens for its group only', async () => {
    expect((await stat(join(dir, 'api.sock'))).mode & 0o777).to.equal(0o660);
    expect((await call('GET', '/healthz')).text).to.equal('ok');
  });

  it('applies, shows and deletes', async () => {
    const applied = await call('POST', '/nodelet/v1/apply', applyBody(manifest('web')));
    expect(JSON.parse(applied.text)).to.deep.equal([
      { namespace: 'default', name: 'web', action: 'created' },
    ]);
    await world.clock.advance(0);
    const shown = await call('GET', `${pods}/web`);
    expect(JSON.parse(shown.text)).to.have.nested.property('status.phase', 'Running');
    // What was read may be written back.
    expect((await call('PUT', `${pods}/web`, shown.text)).code).to.equal(200);
    expect((await call('DELETE', `${pods}/web?gracePeriodSeconds=0`)).code).to.equal(200);
    await world.clock.advance(0);
    expect((await call('GET', `${pods}/web`)).code).to.equal(404);
  });

  it('refuses with a Status that names field and line', async () => {
    const refused = await call('POST', '/nodelet/v1/apply', applyBody(manifest('web', '', '    imag: x\n')));
    expect(refused.code).to.equal(422);
    expect(JSON.parse(refused.text)).to.include({ kind: 'Status', reason: 'Invalid' });
    expect(refused.text).to.contain('web.yaml:8: spec.containers[0].imag');
    await call('POST', pods, manifest('web'));
    expect((await call('POST', pods, manifest('web'))).code).to.equal(409);
    expect((await call('GET', `${pods}?watch=true`)).text).to.contain('watch');
  });

  it('tells clients that ask first what there is, as Kubernetes does', async () => {
    const ask = async (path: string): Promise<unknown> => JSON.parse((await call('GET', path)).text);
    expect(await ask('/api?timeout=32s')).to.deep.include({ kind: 'APIVersions', versions: ['v1'] });
    expect(await ask('/apis?timeout=32s')).to.deep.include({ kind: 'APIGroupList', groups: [] });
    const { resources } = (await ask('/api/v1')) as { resources: { name: string }[] };
    expect(resources.map(({ name }) => name)).to.include.members(['pods', 'pods/exec', 'pods/log', 'events']);
    expect((await call('GET', '/openapi/v3')).code).to.equal(404);
  });

  it('lists the pods that a label selector means', async () => {
    for (const name of ['one', 'two'])
      await call('POST', pods, manifest(name).replace('}', `, labels: {app: ${name}}}`));
    const names = async (query: string): Promise<string[]> => {
      const { items } = JSON.parse((await call('GET', `${pods}?${query}`)).text) as {
        items: { metadata: { name: string } }[];
      };
      return items.map(({ metadata }) => metadata.name);
    };
    expect(await names('limit=500&labelSelector=app%3Dtwo')).to.deep.equal(['two']);
    expect(await names('limit=500')).to.have.members(['one', 'two']);
    expect((await call('GET', `${pods}?labelSelector=%3D`)).text).to.contain('labelSelector: ');
  });

  it('joins an exec to where the runtime serves it, byte for byte', async () => {
    await call('POST', pods, manifest('web'));
    await world.clock.advance(0);
    const runtime = createServer();
    const asked: (string | undefined)[] = [];
    runtime.on('upgrade', (request: IncomingMessage, socket: Duplex) => {
      asked.push(request.url, request.headers.upgrade, request.headers['sec-websocket-key']);
      socket.write('HTTP/1.1 101 Switching Protocols\r\nconnection: Upgrade\r\nupgrade: echo\r\n\r\n');
      socket.pipe(socket);
    });
    await new Promise<void>((resolve) => runtime.listen(0, '127.0.0.1', resolve));
    world.cri.execUrl = `http://127.0.0.1:${(runtime.address() as AddressInfo).port}/exec/token`;
    const answer = await new Promise<string>((resolve, reject) => {
      const sent = request({
        socketPath: join(dir, 'api.sock'),
        path: `${pods}/web/exec?command=sh&command=-c&stdout=true&stderr=true`,
        headers: { connection: 'Upgrade', upgrade: 'websocket', 'sec-websocket-key': 'abc' },
      });
      sent.on('error', reject);
      sent.on('upgrade', (_response, socket) => {
        socket.once('data', (chunk: Buffer) => {
          resolve(chunk.toString());
          socket.destroy();
        });
        socket.write('hello');
      });
      sent.end();
    });
    expect(answer).to.equal('hello');
    expect(asked).to.deep.equal(['/exec/token', 'websocket', 'abc']);
    expect(world.cri.calls).to.include('Exec main sh -c');
    await new Promise((resolve) => runtime.close(resolve));
  });

  it('refuses an exec with a Status: no upgrade, no command, no such container', async () => {
    await call('POST', pods, manifest('web'));
    await world.clock.advance(0);
    expect((await call('GET', `${pods}/web/exec?command=sh&stdout=true`)).text).to.contain('upgraded');
    const upgrade = { connection: 'Upgrade', upgrade: 'websocket' };
    const refused = async (query: string) => call('GET', `${pods}/web/exec?${query}`, '', upgrade);
    expect((await refused('stdout=true')).text).to.contain('command: must be given');
    expect((await refused('command=sh')).text).to.contain('one of stdin, stdout and stderr');
    expect((await refused('command=sh&stdout=true&container=nope')).code).to.equal(404);
    expect((await refused('command=sh&stdout=true&shell=true')).text).to.contain('shell');
  });

  it('does not take the socket from a daemon that lives', async () => {
    const second = createApiServer({ agent: world.agent, socketPath: join(dir, 'api.sock'), log: silentLog });
    const refused = await second.start().catch((thrown: unknown) => thrown);
    expect(refused).to.include({ kind: 'exists' });
    await second.stop();
    expect((await call('GET', '/healthz')).text).to.equal('ok');
  });

  it('shows logs: partial lines joined, the last lines only, times where asked', async () => {
    await call('POST', pods, manifest('web'));
    await world.clock.advance(0);
    const uid = world.agent.list()[0]?.metadata.uid ?? '';
    const folder = join(dir, 'logs', `default_web_${uid}`, 'main');
    await mkdir(folder, { recursive: true });
    const at = (second: number): string => `2026-01-31T00:00:0${second}.5Z`;
    await writeFile(
      join(folder, '0.log'),
      `${at(1)} stdout F one\n${at(2)} stdout P tw\n${at(3)} stdout F o\n${at(4)} stderr F three\n`,
    );
    const log = async (query: string): Promise<string> =>
      (await call('GET', `${pods}/web/log?${query}`)).text;
    expect(await log('')).to.equal('one\ntwo\nthree\n');
    expect(await log('tailLines=2')).to.equal('two\nthree\n');
    expect(await log('timestamps=true&tailLines=1')).to.equal(`${at(4)} three\n`);
    expect(await log(`sinceTime=${at(2)}&limitBytes=5`)).to.equal('two\nt');
    expect(await log('stream=Stderr&insecureSkipTLSVerifyBackend=true&pretty=true')).to.equal('three\n');
    expect(await log('sinceSeconds=1')).to.equal('one\ntwo\nthree\n');
  });

  it('refuses log options that make no sense by the name of the field', async () => {
    await call('POST', pods, manifest('web'));
    await world.clock.advance(0);
    for (const [query, field] of [
      ['tailLines=-1', 'tailLines'],
      ['limitBytes=0', 'limitBytes'],
      ['sinceSeconds=0', 'sinceSeconds'],
      ['sinceSeconds=1&sinceTime=2026-01-31T00:00:00Z', 'sinceSeconds'],
      ['sinceTime=yesterday', 'sinceTime'],
      ['stream=Stdin', 'stream'],
      ['stream=Stdout&tailLines=1', 'stream'],
      ['followRestarts=true', 'followRestarts'],
      ['follow=maybe', 'follow'],
      ['lines=3', 'lines'],
    ]) {
      const { code, text } = await call('GET', `${pods}/web/log?${query}`);
      expect(code, query).to.equal(422);
      expect(JSON.parse(text), query).to.have.nested.property('details.causes[0].field', field);
    }
  });

  it('says why there is no log: not started, no run before, no such container', async () => {
    world.cri.unpullable.add('app:1');
    await call('POST', pods, manifest('web'));
    await world.clock.advance(0);
    const waiting = await call('GET', `${pods}/web/log`);
    expect(waiting.code).to.equal(400);
    expect(JSON.parse(waiting.text)).to.include({ reason: 'BadRequest' });
    expect(waiting.text).to.contain(
      'container \\"main\\" in pod \\"web\\" is waiting to start: ErrImagePull',
    );
    const previous = await call('GET', `${pods}/web/log?previous=true`);
    expect([previous.code, previous.text]).to.satisfy(
      ([code, text]: [number, string]) => code === 400 && text.includes('has no previous run'),
    );
    expect((await call('GET', `${pods}/web/log?container=nope`)).code).to.equal(404);
  });
});
