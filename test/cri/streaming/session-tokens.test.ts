import { expect } from 'chai';
import { SessionTokens } from '../../../src/cri/streaming/session-tokens.js';
import { createRandom } from '../../../src/host/random.js';
import { SimClock } from '../../sim/clock.js';

describe('cri streaming: session tokens', () => {
  let clock: SimClock;
  let tokens: SessionTokens<string>;
  beforeEach(() => {
    clock = new SimClock();
    tokens = new SessionTokens(clock, createRandom());
  });

  it('gives a session once', () => {
    const token = tokens.issue('exec');
    expect(token).to.match(/^[0-9a-f]{32}$/);
    expect(tokens.redeem(token)).to.equal('exec');
    expect(tokens.redeem(token)).to.equal(undefined);
    expect(tokens.redeem('')).to.equal(undefined);
  });

  it('gives nothing after a minute', async () => {
    const [early, late] = [tokens.issue('early'), tokens.issue('late')];
    await clock.advance(59_000);
    expect(tokens.redeem(early)).to.equal('early');
    await clock.advance(2000);
    expect(tokens.redeem(late)).to.equal(undefined);
  });

  it('does not let sessions that nobody comes for pile up', async () => {
    for (let count = 0; count < 1000; count += 1) tokens.issue('x');
    expect(() => tokens.issue('x'))
      .to.throw()
      .with.property('kind', 'exhausted');
    await clock.advance(61_000);
    expect(tokens.redeem(tokens.issue('y'))).to.equal('y');
  });
});
