import fs from 'node:fs';
import { expect } from 'chai';
import fc from 'fast-check';
import { WebSocket } from 'ws';
import { FakeProcess, until } from './fake-process.js';
import type { RawClient } from './streaming-world.js';
import { StreamingWorld } from './streaming-world.js';

/** What a kubectl sent: the headers of its upgrade that matter, and every byte behind it. */
interface Recording {
  what: string;
  kind: 'exec' | 'attach' | 'portforward';
  method: string;
  tty: boolean;
  stderr: boolean;
  headers: string[];
  hex: string;
}

const recordings = JSON.parse(fs.readFileSync('test/data/streams/kubectl.json', 'utf8')) as Recording[];
const runs = Number(process.env['NODELET_RUNS'] ?? 40);
const seed = Number(process.env['NODELET_SEED'] ?? Date.now() % 2 ** 31);

/** One change of a recording: bytes that are put in the place of others. */
type Change = { at: number; drop: number; put: Uint8Array };
const change = fc.record({
  at: fc.double({ min: 0, max: 1, noNaN: true }),
  drop: fc.oneof(fc.constant(0), fc.constant(1), fc.nat(40)),
  put: fc.oneof(
    fc.uint8Array({ maxLength: 24 }),
    fc.constantFrom(...[0x00ffffff, 0x7fffffff, 0xffffffff].map((word) => bigEndian(word))),
  ),
});

function bigEndian(word: number): Uint8Array {
  const bytes = Buffer.alloc(4);
  bytes.writeUInt32BE(word);
  return bytes;
}

function changed(bytes: Buffer, changes: readonly Change[]): Buffer {
  return changes.reduce((before, { at, drop, put }) => {
    const start = Math.floor(at * before.length);
    return Buffer.concat([before.subarray(0, start), put, before.subarray(start + drop)]);
  }, bytes);
}

describe(`cri streaming: recorded clients, whole and changed (NODELET_SEED=${seed})`, () => {
  let world: StreamingWorld;
  let typed = '';
  beforeEach(async () => {
    world = await StreamingWorld.start();
    typed = '';
  });
  afterEach(() => world.end());

  function urlFor({ kind, tty, stderr }: Recording): string {
    if (kind === 'portforward') return world.forward();
    const start = async () => {
      const process = new FakeProcess();
      process.stdin.on('data', (piece: Buffer) => (typed += piece.toString()));
      return process;
    };
    return world.exec({ start, tty, stderr }, kind);
  }
  const headOf = ({ method, headers }: Recording, url: string): string =>
    [`${method} ${new URL(url).pathname} HTTP/1.1`, 'Host: localhost', ...headers, '', ''].join('\r\n');
  const replay = async (recording: Recording, bytes: Buffer): Promise<RawClient> => {
    const url = urlFor(recording);
    return world.send(url, Buffer.concat([Buffer.from(headOf(recording, url)), bytes]));
  };
  /** That the server is as good as new: a client of another library gets a command through. */
  async function servesTheNext(): Promise<void> {
    const socket = new WebSocket(world.exec(), ['v4.channel.k8s.io']);
    await new Promise((resolve) => socket.once('open', resolve));
    const closed = new Promise<number>((resolve) => socket.once('close', resolve));
    world.process.stdout.end();
    world.process.stderr.end();
    world.process.end(0);
    expect(await closed).to.equal(1000);
  }

  for (const recording of recordings) {
    const bytes = Buffer.from(recording.hex, 'hex');

    it(`understands ${recording.what}`, async () => {
      const client = await replay(recording, bytes);
      if (recording.kind === 'portforward') {
        await until(() => world.pods.length === 2);
        const said = world.pods.map((pod) => {
          const one = { text: '' };
          pod.on('data', (piece: Buffer) => (one.text += piece.toString()));
          return one;
        });
        await until(() => said.map(({ text }) => text).join() === 'one,two');
      } else await until(() => typed.includes(recording.tty ? 'exit 5\r' : 'hello\n'));
      client.socket.end();
      await client.closed;
    });

    it(`ends, or goes on with, ${recording.what} when it is changed`, async () => {
      await fc.assert(
        fc.asyncProperty(fc.array(change, { minLength: 1, maxLength: 4 }), async (changes) => {
          const client = await replay(recording, changed(bytes, changes));
          client.socket.end();
          await client.closed;
          for (const pod of world.pods.splice(0)) pod.destroy();
        }),
        { numRuns: runs, seed },
      );
      await servesTheNext();
    }).timeout(60_000 + runs * 500);
  }

  it('answers, or ends, whatever comes in the place of a request', async () => {
    const recording = recordings[0] as Recording;
    await fc.assert(
      fc.asyncProperty(fc.array(change, { minLength: 1, maxLength: 4 }), async (changes) => {
        const url = urlFor(recording);
        const client = await world.send(url, changed(Buffer.from(headOf(recording, url)), changes));
        client.socket.end();
        await client.closed;
      }),
      { numRuns: runs, seed },
    );
    await servesTheNext();
  }).timeout(60_000 + runs * 500);
});
