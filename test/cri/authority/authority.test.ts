import fs from 'node:fs';
import type http2 from 'node:http2';
import os from 'node:os';
import path from 'node:path';
import { expect } from 'chai';
import { silentLog } from '../../../src/base/call-context.js';
import type { Log } from '../../../src/base/call-context.js';
import { encodeLiterals } from '../../../src/cri/authority/hpack.js';
import { frameFlags, frameOf, frameTypes } from '../../../src/cri/authority/frames.js';
import { createCriServer } from '../../../src/cri/server.js';
import type { CriServer } from '../../../src/cri/server.js';
import { newVersionResponse } from '../../../src/ports/cri/messages.js';
import { runtimeWith, testClock as clock } from '../runtime-double.js';
import {
  RawClient,
  callVersion,
  carries,
  grpcMessage,
  http2Session,
  ping,
  preface,
  rawCall,
  settings,
  versionPath,
} from './http2-clients.js';

const field = (name: string, value: string) => ({ name, value, sensitive: false });
const requestFields = [
  field(':method', 'POST'),
  field(':scheme', 'http'),
  field(':path', versionPath),
  field('content-type', 'application/grpc'),
  field('te', 'trailers'),
];
const withoutAuthority = encodeLiterals(requestFields);
const withAuthority = (value: string): Buffer =>
  encodeLiterals([...requestFields.slice(0, 3), field(':authority', value), ...requestFields.slice(3)]);

describe('cri: clients with any :authority', () => {
  let dir: string;
  let socketPath: string;
  let server: CriServer;
  let sessions: http2.ClientHttp2Session[];
  let clients: RawClient[];
  let logged: string[];

  beforeEach(async () => {
    dir = fs.mkdtempSync(path.join(os.tmpdir(), 'nodelet-authority-'));
    socketPath = path.join(dir, 'cri.sock');
    [sessions, clients, logged] = [[], [], []];
    const log: Log = {
      ...silentLog,
      debug: (_fields, message) => void logged.push(message),
      child: () => log,
    };
    server = createCriServer({
      runtime: runtimeWith({
        Version: async ({ version }: { version: string }) => newVersionResponse({ version }),
      }),
      log,
      socketPath,
      clock,
    });
    await server.start();
  });
  afterEach(async () => {
    for (const session of sessions) session.destroy();
    for (const client of clients) client.close();
    await server.stop();
    fs.rmSync(dir, { recursive: true, force: true });
  });

  const connect = (): http2.ClientHttp2Session => {
    const session = http2Session(socketPath);
    sessions.push(session);
    return session;
  };
  const connectRaw = (): RawClient => {
    const client = new RawClient(socketPath);
    clients.push(client);
    return client;
  };

  for (const authority of [
    ...[
      'localhost',
      '',
      '/run/nodelet/nodelet.sock',
      'unix:///run/x.sock',
      'passthrough:///unix:',
      'a b',
      'ä',
    ],
    // All that is taken for a good one, so that the server behind must take it, too.
    ...['AZaz09-._~%2F:@[::1]', '[', '%', ':'],
  ]) {
    it(`answers several streams of one connection with :authority "${authority}"`, async () => {
      const session = connect();
      for (const round of ['one', 'two']) {
        const answers = await Promise.all(
          [`${round}-a`, `${round}-b`, `${round}-c`].map(async (version) => {
            const answer = await callVersion(session, {
              version,
              headers: { ':authority': authority, 'x-indexed': `of ${round}`, 'x-always': 'same' },
            });
            expect(carries(answer.body, version)).to.equal(true);
            return answer.grpcStatus;
          }),
        );
        expect(answers).to.deep.equal(['0', '0', '0']);
      }
    });
  }

  it('answers a client that sends no :authority, byte by byte or at once', async () => {
    for (const trickled of [false, true]) {
      const client = connectRaw();
      const sent = Buffer.concat([preface, settings, rawCall(1, withoutAuthority, 'x')]);
      if (trickled) await client.trickle(sent);
      else client.send(sent);
      await client.until(() => client.ended.has(1));
      expect(client.ended.get(1)).to.equal('ok');
      expect(carries(client.bodies.get(1), 'x')).to.equal(true);
      client.send(rawCall(3, withAuthority('/run/x.sock'), 'y'));
      await client.until(() => client.ended.has(3));
      expect(carries(client.bodies.get(3), 'y')).to.equal(true);
    }
  });

  it('answers a client that waits for SETTINGS before its first request, as grpc-go does', async () => {
    for (const block of [withoutAuthority, withAuthority('localhost')]) {
      const client = connectRaw();
      client.send(preface, settings);
      await client.until(() => client.settingsSeen > 0);
      client.send(rawCall(1, block, 'late'));
      await client.until(() => client.ended.has(1) || client.closed);
      expect(client.ended.get(1)).to.equal('ok');
      client.send(rawCall(3, block, 'later'));
      await client.until(() => client.ended.has(3) || client.closed);
      expect(client.ended.get(3)).to.equal('ok');
      expect(client.goneAway).to.equal(false);
    }
  });

  it('answers a ping that comes before any request', async () => {
    const client = connectRaw();
    client.send(preface, settings, ping('12345678'));
    await client.until(() => client.pongs.length > 0 || client.closed);
    expect(client.pongs).to.deep.equal(['12345678']);
    client.send(rawCall(1, withoutAuthority));
    await client.until(() => client.ended.has(1));
    expect(client.ended.get(1)).to.equal('ok');
  });

  it('reads headers in CONTINUATION frames, padded, with a priority', async () => {
    const client = connectRaw();
    const [first, second, third] = [
      withoutAuthority.subarray(0, 3),
      withoutAuthority.subarray(3, 40),
      withoutAuthority.subarray(40),
    ];
    const flags = frameFlags.padded | frameFlags.priority;
    const data = frameOf(0, grpcMessage('z'), { flags: frameFlags.endStream, streamId: 1 });
    client.send(
      preface,
      settings,
      frameOf(frameTypes.headers, Buffer.concat([Buffer.from([2, 0, 0, 0, 0, 15]), first, Buffer.alloc(2)]), {
        flags,
        streamId: 1,
      }),
      frameOf(frameTypes.continuation, second, { streamId: 1 }),
      frameOf(frameTypes.continuation, third, { flags: frameFlags.endHeaders, streamId: 1 }),
      data,
    );
    await client.until(() => client.ended.has(1));
    expect(carries(client.bodies.get(1), 'z')).to.equal(true);
  });

  it('passes a request of 1 MiB both ways, and headers of 40 KiB', async () => {
    for (const authority of ['localhost', '/run/x.sock']) {
      const session = connect();
      const version = 'v'.repeat(1024 * 1024);
      const headers = { ':authority': authority, 'x-large': 'h'.repeat(40 * 1024) };
      const answer = await callVersion(session, { version, headers });
      expect(answer.grpcStatus, authority).to.equal('0');
      expect(carries(answer.body, version)).to.equal(true);
    }
  });

  it('cuts off a client that breaks HTTP/2, says so at debug, and serves the others', async () => {
    const good = connect();
    for (const bad of [
      Buffer.from('GET / HTTP/1.1\r\n\r\n'),
      Buffer.concat([
        preface,
        settings,
        frameOf(frameTypes.headers, Buffer.from([0x80]), { flags: 4, streamId: 1 }),
      ]),
      Buffer.concat([preface, settings, rawCall(1, withoutAuthority), rawCall(3, Buffer.from([0x80]))]),
    ]) {
      logged.length = 0;
      const client = connectRaw();
      client.send(bad);
      await client.until(() => client.closed);
      expect(logged).to.include('connection refused');
    }
    expect((await callVersion(good)).grpcStatus).to.equal('0');
  });

  it('stops while clients of each kind are connected, idle or silent', async () => {
    const silent = connectRaw();
    const greeted = connectRaw();
    greeted.send(preface, settings);
    await greeted.until(() => greeted.settingsSeen > 0);
    const repaired = connectRaw();
    repaired.send(preface, settings, rawCall(1, withoutAuthority));
    await repaired.until(() => repaired.ended.has(1));
    await server.stop();
    for (const client of [silent, greeted, repaired]) await client.until(() => client.closed);
    await server.start();
  });
});
