import { expect } from 'chai';
import { NodeletError } from '../../src/base/errors.js';
import type { Platform } from '../../src/images/platform.js';
import { checkPlatform, choosePlatform, machinePlatform } from '../../src/images/platform.js';

const platform = (architecture: string, variant = '', system = 'linux'): Platform => ({
  os: system,
  architecture,
  variant,
});
const entries = (...platforms: (Platform | undefined)[]) => platforms.map((each) => ({ platform: each }));
const chosen = (machine: Platform, ...there: (Platform | undefined)[]) =>
  choosePlatform(entries(...there), machine).platform;

const v2 = 'cx16 lahf_lm popcnt sse4_1 sse4_2 ssse3';
const v3 = `${v2} avx avx2 bmi1 bmi2 f16c fma abm movbe xsave`;
const newAmd64 = machinePlatform(`flags\t\t: fpu ${v3}\n`, 'x64');
const oldAmd64 = machinePlatform('flags\t\t: fpu sse2\n', 'x64');
const arm64 = machinePlatform('Features\t: fp asimd\nCPU architecture: 8\n', 'arm64');
const armV6 = machinePlatform('Features\t: half thumb\nCPU architecture: 6\n', 'arm');

describe('images: the platform', () => {
  it('of a machine is told by what its CPU has', () => {
    expect([newAmd64, oldAmd64].map(({ variant }) => variant)).to.deep.equal(['v3', 'v1']);
    expect(machinePlatform(`flags : ${v2}\nflags : ${v3}`, 'x64').variant).to.equal('v2');
    expect(arm64).to.deep.equal(platform('arm64', 'v8'));
    expect(armV6).to.deep.equal(platform('arm', 'v6'));
    expect(machinePlatform('', 's390x')).to.deep.equal(platform('s390x'));
    expect(machinePlatform('', 'x64')).to.deep.equal(platform('amd64', 'v1'));
  });

  it("is this machine's, whatever else an index lists", () => {
    const there = [
      undefined,
      platform('unknown', '', 'unknown'),
      platform('amd64', '', 'windows'),
      platform('386'),
      platform('amd64'),
    ];
    expect(chosen(newAmd64, ...there)).to.deep.equal(platform('amd64'));
  });

  it('is the highest variant that the CPU has, and none that it lacks', () => {
    const levels = [
      platform('amd64', 'v4'),
      platform('amd64'),
      platform('amd64', 'v3'),
      platform('amd64', 'v2'),
    ];
    expect(chosen(newAmd64, ...levels)?.variant).to.equal('v3');
    expect(chosen(oldAmd64, ...levels)?.variant).to.equal('');
    expect(() => chosen(oldAmd64, platform('amd64', 'v2'))).to.throw(NodeletError, /linux\/amd64\/v2/);
    const arms = ['v5', 'v8', 'v6', 'v7'].map((variant) => platform('arm', variant));
    expect(chosen(armV6, ...arms)?.variant).to.equal('v6');
    expect(chosen(arm64, ...arms)?.variant).to.equal('v8');
    expect(chosen(arm64, ...arms, platform('arm64', 'v8'))).to.deep.equal(platform('arm64', 'v8'));
    expect(chosen(arm64, platform('arm64', 'v9'), platform('arm', 'v6'))).to.deep.equal(
      platform('arm', 'v6'),
    );
  });

  it('may be one whose programs this machine runs too, where its own is not there', () => {
    expect(chosen(newAmd64, platform('386'), platform('s390x'))).to.deep.equal(platform('386'));
    expect(chosen(newAmd64, platform('386'), platform('amd64', 'v2'))?.architecture).to.equal('amd64');
    checkPlatform(platform('386'), newAmd64);
  });

  it('is taken by the names that other tools have for it', () => {
    expect(chosen(newAmd64, platform('x86_64'))).to.deep.equal(platform('x86_64'));
    expect(chosen(arm64, platform('armhf'), platform('aarch64'))).to.deep.equal(platform('aarch64'));
    expect(() => chosen(armV6, platform('armhf'))).to.throw(NodeletError, /armhf/);
  });

  it('is left to the config of an image where an index names none', () => {
    expect(choosePlatform(entries(platform('z80'), undefined), newAmd64).platform).to.equal(undefined);
  });

  it('of other machines is refused by what it is, in an index or alone', () => {
    const refused = { kind: 'not-found', field: 'image.image' };
    expect(() => choosePlatform(entries(platform('z80')), newAmd64))
      .to.throw(NodeletError, /linux\/z80/)
      .that.includes(refused);
    expect(() => choosePlatform([], newAmd64)).to.throw(NodeletError);
    for (const alone of [
      platform('z80'),
      platform('amd64', '', 'windows'),
      platform('', '', 'plan9'),
      platform('amd64', 'v4'),
    ]) {
      expect(() => checkPlatform(alone, newAmd64))
        .to.throw(NodeletError)
        .that.includes(refused);
    }
    for (const fine of [
      platform('amd64'),
      platform('amd64', 'v1'),
      platform('', '', ''),
      platform('amd64', '', ''),
    ])
      checkPlatform(fine, newAmd64);
  });
});
