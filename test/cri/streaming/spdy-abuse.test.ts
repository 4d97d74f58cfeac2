import zlib from 'node:zlib';
import { expect } from 'chai';
import { headerDictionary } from '../../../src/cri/streaming/spdy/dictionary.js';
import {
  encodeDataHead,
  encodePing,
  encodeReset,
  encodeWindowUpdate,
} from '../../../src/cri/streaming/spdy/frames.js';
import { until } from './fake-process.js';
import type { RawClient } from './streaming-world.js';
import { StreamingWorld } from './streaming-world.js';

const goaway = '8003000700000008';
const brokenStatus = '00000001';

function control(type: number, body: Buffer, flags = 0): Buffer {
  const head = Buffer.from([0x80, 3, 0, type, flags, 0, 0, 0]);
  head.writeUIntBE(body.length, 5, 3);
  return Buffer.concat([head, body]);
}
function syn(streamId: number, headerBlock: Buffer, flags = 0): Buffer {
  const head = Buffer.alloc(10);
  head.writeUInt32BE(streamId);
  return control(1, Buffer.concat([head, headerBlock]), flags);
}
function settings(id: number, value: number): Buffer {
  const body = Buffer.alloc(12);
  [1, id, value].forEach((word, index) => body.writeUInt32BE(word, index * 4));
  return control(4, body);
}
const text = (value: string): Buffer => {
  const length = Buffer.alloc(4);
  length.writeUInt32BE(Buffer.byteLength(value));
  return Buffer.concat([length, Buffer.from(value)]);
};
function block(headers: Record<string, string>): Buffer {
  const count = Buffer.alloc(4);
  count.writeUInt32BE(Object.keys(headers).length);
  return Buffer.concat([
    count,
    ...Object.entries(headers).flatMap(([name, value]) => [text(name), text(value)]),
  ]);
}
/** The header blocks of one connection: one zlib stream. */
function deflater(): (content: Buffer) => Promise<Buffer> {
  const deflate = zlib.createDeflate({ dictionary: headerDictionary });
  return async (content) => {
    deflate.write(content);
    await new Promise<void>((resolve) => deflate.flush(zlib.constants.Z_SYNC_FLUSH, () => resolve()));
    return deflate.read() as Buffer;
  };
}

describe('cri streaming: SPDY by a client that means no good', () => {
  let world: StreamingWorld;
  let client: RawClient;
  let pack: (content: Buffer) => Promise<Buffer>;
  beforeEach(async () => {
    world = await StreamingWorld.start();
    client = await world.spdy(world.forward(), 'portforward.k8s.io');
    pack = deflater();
  });
  afterEach(() => world.end());

  const stream = async (id: number, set: Record<string, string> = {}, flags = 0): Promise<Buffer> =>
    syn(id, await pack(block({ streamtype: 'error', port: '80', requestid: String(id), ...set })), flags);
  const hex = (): string => client.frames().toString('hex');
  /** The connection ends after a GOAWAY that tells of a protocol error. */
  async function isEnded(...frames: Buffer[]): Promise<void> {
    client.socket.write(Buffer.concat(frames));
    await client.closed;
    expect(hex()).to.match(new RegExp(`${goaway}[0-9a-f]{8}${brokenStatus}$`));
  }
  async function answersPings(id = 1): Promise<void> {
    client.socket.write(encodePing(id));
    await until(() => hex().includes(encodePing(id).toString('hex')));
  }

  it('ends at numbers of streams that are even, zero, used or lower than the last', async () => {
    for (const ids of [[2], [0], [5, 5], [5, 3]]) {
      client = await world.spdy(world.forward(), 'portforward.k8s.io');
      pack = deflater();
      const frames: Buffer[] = [];
      for (const id of ids) frames.push(await stream(id));
      await isEnded(...frames);
    }
  });

  it('ends at data of a stream that was never opened', async () => {
    await isEnded(encodeDataHead(7, { bytes: 3, fin: false }), Buffer.from('abc'));
  });

  it('ends at windows that are widened beyond all bounds', async () => {
    for (const frames of [
      [encodeWindowUpdate(0, 0x7fffffff)],
      [await stream(1), encodeWindowUpdate(1, 0x7fffffff)],
      [settings(7, 0xffffffff)],
      [settings(7, 0x7fffffff), await stream(1), encodeWindowUpdate(1, 1)],
    ]) {
      client = await world.spdy(world.forward(), 'portforward.k8s.io');
      await isEnded(...frames);
      pack = deflater();
    }
  });

  it('ends at header blocks that are bombs, of no or another dictionary, too many, or behind the end of compression', async () => {
    const flush = { finishFlush: zlib.constants.Z_SYNC_FLUSH };
    const bomb = zlib.deflateSync(Buffer.alloc(8 * 1024 * 1024), { ...flush, dictionary: headerDictionary });
    const many = Object.fromEntries(Array.from({ length: 65 }, (_, index) => [`x${index}`, '']));
    const whole = zlib.deflateSync(block({ streamtype: 'error', port: '80' }), {
      dictionary: headerDictionary,
    });
    for (const frames of [
      [syn(1, bomb)],
      [syn(1, zlib.deflateSync(block({ port: '80' }), { ...flush, dictionary: Buffer.from('another') }))],
      [syn(1, Buffer.from('no zlib at all'))],
      [syn(1, await deflater()(block(many)))],
      [syn(1, await deflater()(Buffer.from('7fffffff', 'hex')))],
      [syn(1, whole), syn(3, whole)],
      [syn(1, Buffer.concat([whole, Buffer.from('trailing')]))],
    ]) {
      client = await world.spdy(world.forward(), 'portforward.k8s.io');
      await isEnded(...frames);
    }
  });

  it('refuses a stream without an answer, and data behind the end of its stream, and goes on', async () => {
    client.socket.write(await stream(1, {}, 2));
    await until(() => hex().includes(encodeReset(1, 3).toString('hex')));
    client.socket.write(
      Buffer.concat([await stream(3, {}, 1), encodeDataHead(3, { bytes: 1, fin: false }), Buffer.of(0)]),
    );
    await until(() => hex().includes(encodeReset(3, 9).toString('hex')));
    await answersPings();
  });

  it('goes on after thousands of resets, farewells, settings and streams that go before their other half', async () => {
    const noise = [
      encodeReset(1, 1),
      control(7, Buffer.alloc(8)),
      settings(4, 100),
      encodeWindowUpdate(9, 1),
    ];
    client.socket.write(Buffer.concat(Array.from({ length: 5000 }, () => noise).flat()));
    await answersPings(1);
    for (let id = 1; id < 3000; id += 2)
      client.socket.write(Buffer.concat([await stream(id, { streamtype: 'data' }), encodeReset(id, 5)]));
    await answersPings(3);
    expect(world.pods).to.have.length(0);
    client.socket.write(
      Buffer.concat([await stream(3001), await stream(3003, { streamtype: 'data', requestid: '3001' })]),
    );
    await until(() => world.pods.length === 1);
  });

  it('takes no more from a client that reads none of its refusals', async () => {
    client.socket.write(await stream(1, {}, 1));
    await answersPings();
    client.socket.pause();
    const late = Buffer.concat([encodeDataHead(1, { bytes: 1, fin: false }), Buffer.of(0)]);
    const many = Buffer.concat(Array.from({ length: 10_000 }, () => late));
    let sent = 0;
    for (let idle = 0; idle < 300 && sent < 64 * 1024 * 1024; idle += 1) {
      if (client.socket.writableLength < many.length) {
        client.socket.write(many);
        sent += many.length;
        idle = 0;
      }
      await new Promise((resolve) => setImmediate(resolve));
    }
    expect(sent).to.be.below(32 * 1024 * 1024);
  }).timeout(90_000);
});
