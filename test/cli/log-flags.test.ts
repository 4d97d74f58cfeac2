import { expect } from 'chai';
import type { LogFlags } from '../../src/cli/log-flags.js';
import { logQuery } from '../../src/cli/log-flags.js';

const flags = (set: Partial<LogFlags>): LogFlags => ({
  namespace: 'default',
  container: [],
  color: 'auto',
  maxLogRequests: '5',
  ...set,
});
const asked = (set: Partial<LogFlags>): Record<string, string> =>
  JSON.parse(JSON.stringify(logQuery(flags(set)))) as Record<string, string>;

describe('the flags of `nodelet logs`', () => {
  for (const [since, seconds] of [
    ['30s', '30'],
    ['5m', '300'],
    ['1h30m', '5400'],
    ['1.5s', '2'],
    ['10ms', '1'],
    ['0s', undefined],
  ])
    it(`take --since ${since} for ${seconds ?? 'all'} seconds`, () =>
      expect(asked({ since: since ?? '' }).sinceSeconds).to.equal(seconds));

  it('follow the container over restarts, but one run where the one before is asked for', () => {
    expect(asked({ follow: true })).to.deep.equal({ follow: 'true', followRestarts: 'true' });
    expect(asked({ follow: true, previous: true })).to.deep.equal({ follow: 'true', previous: 'true' });
  });

  it('show the last ten lines of each pod that a selector means, and all where -1 are asked for', () => {
    expect(asked({ selector: 'app=web' })).to.deep.equal({ tailLines: '10' });
    expect(asked({ selector: 'app=web', tail: '-1' })).to.deep.equal({});
  });

  for (const [set, field] of [
    [{ tail: 'x' }, '--tail'],
    [{ tail: '-2' }, '--tail'],
    [{ limitBytes: '-1' }, '--limit-bytes'],
    [{ since: '5' }, '--since'],
    [{ since: 'm' }, '--since'],
    [{ since: '5m', sinceTime: '2026-01-31T00:00:00Z' }, '--since-time'],
  ] as const)
    it(`refuse ${JSON.stringify(set)} by the name ${field}`, () =>
      expect(() => logQuery(flags(set)))
        .to.throw()
        .with.property('field', field));
});
