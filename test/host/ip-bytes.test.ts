import { expect } from 'chai';
import fc from 'fast-check';
import { parseIpPrefix } from '../../src/host/ip-bytes.js';

describe('host: addresses as bytes', () => {
  it('reads IPv4 with and without a prefix', () => {
    expect(parseIpPrefix('10.88.0.2/16')).to.deep.equal({
      family: 'inet',
      address: Buffer.from([10, 88, 0, 2]),
      prefixBits: 16,
    });
    expect(parseIpPrefix('192.168.1.255').prefixBits).to.equal(32);
  });

  it('reads every IPv6 address in the shortest form and in full', () => {
    fc.assert(
      fc.property(fc.uint8Array({ minLength: 16, maxLength: 16 }), fc.nat(128), (bytes, zeros) => {
        bytes.fill(0, zeros / 16, zeros / 8);
        const address = Buffer.from(bytes);
        const full = (address.toString('hex').match(/..../g) ?? []).join(':');
        const shortest = new URL(`http://[${full}]/`).hostname.slice(1, -1);
        for (const written of [full, shortest]) {
          expect(parseIpPrefix(`${written}/64`)).to.deep.equal({ family: 'inet6', address, prefixBits: 64 });
        }
      }),
    );
    expect(parseIpPrefix('::ffff:10.1.2.3').address.toString('hex')).to.equal(
      '00000000000000000000ffff0a010203',
    );
  });

  it('refuses what is none', () => {
    for (const written of [
      '',
      '10.1.2',
      '10.1.2.3/33',
      'fe80::1%eth0',
      '::/129',
      '10.1.2.3/',
      '10.1.2.3/8/8',
      'fe80::/x',
    ]) {
      expect(() => parseIpPrefix(written), written)
        .to.throw()
        .that.includes({ kind: 'invalid' });
    }
  });
});
