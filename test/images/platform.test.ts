import os from 'node:os';
import { expect } from 'chai';
import { NodeletError } from '../../src/base/errors.js';
import { checkPlatform, choosePlatform } from '../../src/images/platform.js';

const ours = { x64: 'amd64', ia32: '386', ppc64: 'ppc64le' }[os.arch()] ?? os.arch();
const platform = (architecture: string, variant = '', system = 'linux') => ({
  os: system,
  architecture,
  variant,
});
const entries = (...platforms: (ReturnType<typeof platform> | undefined)[]) =>
  platforms.map((each) => ({ platform: each }));

describe('images: the platform', () => {
  it("is this machine's, whatever else an index lists", () => {
    const wanted = platform(ours);
    const list = entries(
      undefined,
      platform('unknown', '', 'unknown'),
      platform(ours, '', 'windows'),
      wanted,
    );
    expect(choosePlatform(list).platform).to.deep.equal(wanted);
  });

  it('asks as little of the CPU as there is', () => {
    const list = entries(platform(ours, 'v9'), platform(ours), platform(ours, 'v3'));
    expect(choosePlatform(list).platform).to.deep.equal(platform(ours));
  });

  it('may be one whose programs this machine runs too, where its own is not there', function () {
    if (ours !== 'amd64') this.skip();
    const list = entries(platform('386'), platform('s390x'));
    expect(choosePlatform(list).platform).to.deep.equal(platform('386'));
    expect(choosePlatform([...list, ...entries(platform('amd64', 'v2'))]).platform?.architecture).to.equal(
      'amd64',
    );
    checkPlatform(platform('386'));
  });

  it('of other machines is refused by what it is, in an index or alone', () => {
    const refused = { kind: 'not-found', field: 'image.image' };
    expect(() => choosePlatform(entries(platform('z80'), undefined)))
      .to.throw(NodeletError, /linux\/z80/)
      .that.includes(refused);
    for (const alone of [platform('z80'), platform(ours, '', 'windows'), platform('', '', 'plan9')]) {
      expect(() => checkPlatform(alone))
        .to.throw(NodeletError)
        .that.includes(refused);
    }
    for (const fine of [platform(ours), platform(ours, 'v1'), platform('', '', ''), platform(ours, '', '')])
      checkPlatform(fine);
  });
});
