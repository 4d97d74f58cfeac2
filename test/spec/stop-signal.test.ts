import { expect } from 'chai';
import { NodeletError } from '../../src/base/errors.js';
import { SignalValues } from '../../src/ports/cri/messages.js';
import { stopSignalName, stopSignalNumber } from '../../src/spec/stop-signal.js';

describe('spec: the stop signal', () => {
  const ofImage = (text: string) => stopSignalNumber('RUNTIME_DEFAULT', text);

  it("is the request's, else the image's in any form, else SIGTERM", () => {
    expect(stopSignalNumber('SIGQUIT', 'SIGUSR1')).to.equal(3);
    expect(ofImage('')).to.equal(15);
    for (const text of ['SIGTERM', 'TERM', '15', 'sigterm', 'term']) expect(ofImage(text), text).to.equal(15);
    expect(ofImage('SIGRTMIN+3')).to.equal(37);
    expect(ofImage('RTMAX-1')).to.equal(63);
    expect(stopSignalNumber('SIGRTMINPLUS3', '')).to.equal(37);
    expect(stopSignalNumber('SIGRTMAXMINUS14', '')).to.equal(50);
  });

  it('is refused where it is none, by the name of where it stands', () => {
    for (const text of ['SIGNOTHING', '0', '65', '-9', 'SIGRTMIN+31', 'SIGRTMIN-1', 'SIGRTMAX+1', '9.5']) {
      expect(() => ofImage(text), text)
        .to.throw(NodeletError)
        .that.includes({ kind: 'invalid', field: 'image StopSignal' });
    }
  });

  it('is told by a name that means the same signal, for every one that CRI has', () => {
    for (const name of SignalValues.filter((value) => value !== 'RUNTIME_DEFAULT')) {
      const number = stopSignalNumber(name, '');
      expect(stopSignalNumber(stopSignalName(number), ''), name).to.equal(number);
    }
    expect(stopSignalName(15)).to.equal('SIGTERM');
    expect(stopSignalName(33)).to.equal('RUNTIME_DEFAULT');
  });
});
