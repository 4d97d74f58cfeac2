import { expect } from 'chai';
import fc from 'fast-check';
import { DetachWatch, parseDetachKeys } from '../../src/cli/detach-keys.js';

/** Types pieces; what has passed, and whether they detached. */
function type(keys: string, pieces: string[]): { passed: string; detached: boolean } {
  const watch = new DetachWatch(parseDetachKeys(keys));
  let passed = '';
  for (const piece of pieces) {
    const taken = watch.take(Buffer.from(piece, 'latin1'));
    passed += taken.passed.toString('latin1');
    if (taken.detached) return { passed, detached: true };
  }
  return { passed: passed + watch.rest().toString('latin1'), detached: false };
}

describe('attach: keys that detach', () => {
  it('are written as docker and podman write them', () => {
    expect([...parseDetachKeys('ctrl-p,ctrl-q')]).to.deep.equal([16, 17]);
    expect([...parseDetachKeys('ctrl-],x,CTRL-@,ctrl-_')]).to.deep.equal([29, 120, 0, 31]);
    expect([...parseDetachKeys('')]).to.deep.equal([]);
    for (const bad of ['ctrl-', 'ctrl-1', 'alt-x', 'a,,b', 'ü', ' '])
      expect(() => parseDetachKeys(bad), bad).to.throw('is no key');
  });

  it('detach in one piece or several, and pass what came before', () => {
    expect(type('ctrl-p,ctrl-q', ['abc\x10\x11def'])).to.deep.equal({ passed: 'abc', detached: true });
    expect(type('ctrl-p,ctrl-q', ['abc\x10', '\x11'])).to.deep.equal({ passed: 'abc', detached: true });
  });

  it('pass late what only began like them', () => {
    expect(type('ctrl-p,ctrl-q', ['\x10', 'x\x10', '\x10'])).to.deep.equal({
      passed: '\x10x\x10\x10',
      detached: false,
    });
    expect(type('a,a,b', ['aaab'])).to.deep.equal({ passed: 'a', detached: true });
    expect(type('a,b,a,c', ['aba', 'bac'])).to.deep.equal({ passed: 'ab', detached: true });
  });

  it('are found wherever typing is cut, and nothing else is lost', () => {
    const keys = fc.array(fc.constantFrom('a', 'b'), { minLength: 1, maxLength: 4 });
    const pieces = fc.array(fc.string({ unit: fc.constantFrom('a', 'b'), maxLength: 5 }));
    fc.assert(
      fc.property(keys, pieces, (sequence, typed) => {
        const whole = typed.join('');
        const at = whole.indexOf(sequence.join(''));
        const wanted =
          at < 0 ? { passed: whole, detached: false } : { passed: whole.slice(0, at), detached: true };
        expect(type(sequence.join(','), typed)).to.deep.equal(wanted);
      }),
    );
  });
});
