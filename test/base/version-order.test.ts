import { expect } from 'chai';
import { isAtLeast } from '../../src/base/version-order.js';

describe('base: the order of versions', () => {
  for (const [version, wanted, answer] of [
    ['6.1.0-13-amd64', '6.1', true],
    ['6.1.0-13-amd64', '6.10', false],
    ['6.18.44-fc', '5.12', true],
    ['5.9', '5.12', false],
    ['v20.19.2', '20.19', true],
    ['v20.9.0', '20.19', false],
    ['1.8', '1.8.1', false],
    ['1.8.1', '1.8.1', true],
    ['1.14.rc1', '1.8.1', true],
    ['2', '1.8.1', true],
    ['unknown', '0', false],
  ] as const) {
    it(`${version} is ${answer ? '' : 'not '}${wanted} or newer`, () => {
      expect(isAtLeast(version, wanted)).to.equal(answer);
    });
  }
});
