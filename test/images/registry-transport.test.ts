import { expect } from 'chai';
import { NodeletError } from '../../src/base/errors.js';
import { transportError } from '../../src/images/registry/failures.js';

describe('images: what broke a transfer', () => {
  const kindOf = (thrown: Error, signal = new AbortController().signal): string =>
    transportError(thrown, 'r.io', signal).kind;
  const coded = (code: string, more: object = {}): Error => Object.assign(new Error(code), { code, ...more });

  it('is told by its kind: the network, the disk, the data, the caller, or a mistake of ours', () => {
    expect(kindOf(coded('ECONNRESET'))).to.equal('unavailable');
    expect(kindOf(coded('UND_ERR_BODY_TIMEOUT'))).to.equal('unavailable');
    expect(kindOf(coded('ENOSPC', { path: '/x' }))).to.equal('exhausted');
    expect(kindOf(coded('EACCES', { path: '/x' }))).to.equal('tool-failed');
    expect(kindOf(coded('EIO'))).to.equal('tool-failed');
    expect(kindOf(coded('Z_DATA_ERROR'))).to.equal('corrupt');
    expect(kindOf(new TypeError('x is not a function'))).to.equal('bug');
    expect(kindOf(coded('ECONNRESET'), AbortSignal.abort())).to.equal('canceled');
    const own = new NodeletError('denied', 'no');
    expect(transportError(own, 'r.io', AbortSignal.abort())).to.equal(own);
  });
});
