import { expect } from 'chai';
import { NodeletError } from '../../../src/base/errors.js';
import { decodeOutcome, encodeOutcome, encodeOutcomeText } from '../../../src/cri/streaming/outcome.js';

describe('cri streaming: the outcome of a command', () => {
  it('tells an exit code the way kubectl looks for it', () => {
    expect(JSON.parse(encodeOutcome({ exitCode: 0 }).toString())).to.deep.equal({
      metadata: {},
      status: 'Success',
    });
    expect(JSON.parse(encodeOutcome({ exitCode: 7 }).toString())).to.deep.include({
      status: 'Failure',
      reason: 'NonZeroExitCode',
      details: { causes: [{ reason: 'ExitCode', message: '7' }] },
    });
    for (const exitCode of [0, 7, 137]) expect(decodeOutcome(encodeOutcome({ exitCode }))).to.equal(exitCode);
  });

  it('tells a failure that is no exit code by its message', () => {
    const error = new NodeletError('tool-failed', 'crun is missing');
    expect(() => decodeOutcome(encodeOutcome({ error }))).to.throw('crun is missing');
  });

  it('is a text in the protocols before v4, and nothing when all went well', () => {
    expect(encodeOutcomeText({ exitCode: 0 }).toString()).to.equal('');
    expect(encodeOutcomeText({ exitCode: 7 }).toString()).to.equal('command terminated with exit code 7');
  });
});
