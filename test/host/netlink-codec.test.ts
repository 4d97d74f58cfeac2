import fs from 'node:fs';
import { expect } from 'chai';
import fc from 'fast-check';
import { NodeletError } from '../../src/base/errors.js';
import { decodeAddress } from '../../src/host/address-messages.js';
import { decodeLinks } from '../../src/host/link-messages.js';
import {
  decodeAcknowledgement,
  decodeAttributes,
  decodeMessages,
  encodeAttributes,
  encodeMessage,
  text,
  u32,
  u8,
} from '../../src/host/netlink-codec.js';

type Recording = 'links' | 'addresses' | 'unreachable' | 'mtu' | 'done';
const recorded = JSON.parse(fs.readFileSync('test/data/rtnetlink-answers.json', 'utf8')) as Record<
  Recording,
  string[]
>;
const messagesOf = (name: Recording) =>
  recorded[name].flatMap((hex) => decodeMessages(Buffer.from(hex, 'hex')));
const payloadsOf = (name: Recording, type: number) =>
  messagesOf(name)
    .filter((message) => message.type === type)
    .map(({ payload }) => payload);

const bytes = (maxLength: number) => fc.uint8Array({ maxLength }).map((array) => Buffer.from(array));
const message = fc.record({
  type: fc.nat(0xffff),
  flags: fc.nat(0xffff),
  sequence: fc.nat(0xffffffff),
  payload: bytes(40),
});

describe('host: netlink codec', () => {
  it('writes attributes with their length, type and padding', () => {
    const written = encodeAttributes([
      text(3, 'vh0'),
      u8(4, 1),
      { type: 18, value: [u32(4, 0x01020304)] },
    ]).toString('hex');
    expect(written).to.equal(
      ['08000300', '76683000', '05000400', '01000000', '0c001280', '08000400', '04030201'].join(''),
    );
  });

  it('reads back whatever attributes and messages it wrote', () => {
    const attribute = fc.record({ type: fc.nat(0x3fff), value: bytes(20) });
    fc.assert(
      fc.property(fc.uniqueArray(attribute, { selector: ({ type }) => type }), (attributes) => {
        const read = [...decodeAttributes(encodeAttributes(attributes))];
        expect(read).to.deep.equal(attributes.map(({ type, value }) => [type, value]));
      }),
    );
    fc.assert(
      fc.property(fc.array(message), (messages) => {
        expect(decodeMessages(Buffer.concat(messages.map(encodeMessage)))).to.deep.equal(messages);
      }),
    );
  });

  it('calls garbage corrupt, and ends', () => {
    fc.assert(
      fc.property(bytes(200), (garbage) => {
        for (const read of [
          () => decodeAttributes(garbage),
          () => decodeMessages(garbage).map(decodeAcknowledgement),
        ]) {
          try {
            read();
          } catch (thrown) {
            expect(thrown).to.be.instanceOf(NodeletError).and.to.include({ kind: 'corrupt' });
          }
        }
      }),
    );
  });

  it("reads the kernel's acknowledgements with their explanations", () => {
    const read = (name: Recording) => messagesOf(name).map(decodeAcknowledgement);
    expect(read('done')).to.deep.equal([{ errno: 0, text: '' }]);
    expect(read('unreachable')).to.deep.equal([{ errno: 101, text: 'Nexthop has invalid gateway' }]);
    expect(read('mtu')).to.deep.equal([{ errno: 22, text: 'mtu less than device minimum' }]);
  });

  it("reads the kernel's list of links", () => {
    expect(decodeLinks(payloadsOf('links', 16))).to.deep.equal([
      { name: 'lo', index: 1, kind: '' },
      { name: 'br0', index: 2, kind: 'bridge' },
      { name: 'eth0', index: 3, kind: 'veth' },
      { name: 'pod0', index: 4, kind: 'veth', master: 'br0' },
    ]);
  });

  it("reads the kernel's list of addresses, telling its own link-local ones", () => {
    const found = payloadsOf('addresses', 20).map(decodeAddress);
    expect(
      found.map((each) => each && `${each.index} ${each.address.toString('hex')}/${each.prefixBits}`),
    ).to.include.members(['3 0a010203/24', '3 fd000000000000000000000000000002/64']);
    expect(found.filter((each) => each?.linkLocal).map((each) => each?.index)).to.have.members([3, 4]);
  });
});
