import { expect } from 'chai';
import { parseChallenges } from '../../../src/images/registry/challenge.js';
import { retryAfterMs } from '../../../src/images/registry/failures.js';

describe('images: what a registry asks for', () => {
  it('is read from one header or several, with several challenges in each', () => {
    expect(
      parseChallenges(['Bearer realm="https://a.io/t?x=1,2",service="s",scope="repository:a:pull,push"']),
    ).to.deep.equal([
      {
        scheme: 'bearer',
        parameters: { realm: 'https://a.io/t?x=1,2', service: 's', scope: 'repository:a:pull,push' },
      },
    ]);
    expect(parseChallenges(['Basic realm="a", Bearer realm="b", service=c', 'Negotiate'])).to.deep.equal([
      { scheme: 'basic', parameters: { realm: 'a' } },
      { scheme: 'bearer', parameters: { realm: 'b', service: 'c' } },
      { scheme: 'negotiate', parameters: {} },
    ]);
    expect(parseChallenges(['BASIC Realm = "with \\"quotes\\""'])).to.deep.equal([
      { scheme: 'basic', parameters: { realm: 'with "quotes"' } },
    ]);
    for (const nonsense of ['', ' , ', '=', '"', 'a=b'])
      expect(parseChallenges([nonsense]), nonsense).to.deep.equal([]);
  });

  it('may be to wait, for seconds or until a date', () => {
    const nowMs = Date.parse('Wed, 21 Oct 2015 07:28:00 GMT');
    expect(retryAfterMs('12', nowMs)).to.equal(12_000);
    expect(retryAfterMs('Wed, 21 Oct 2015 07:28:05 GMT', nowMs)).to.equal(5_000);
    expect(retryAfterMs('Wed, 21 Oct 2015 07:27:00 GMT', nowMs)).to.equal(0);
    for (const nothing of [undefined, '', ' ', 'soon'])
      expect(retryAfterMs(nothing, nowMs)).to.equal(undefined);
  });
});
