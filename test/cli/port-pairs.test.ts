import { expect } from 'chai';
import { portPairs } from '../../src/cli/port-forward/port-pairs.js';

const containers = [
  {
    name: 'web',
    ports: [
      { name: 'http', containerPort: 80 },
      { name: 'dns', containerPort: 53, protocol: 'UDP' },
      { containerPort: 54, protocol: 'UDP' },
      { containerPort: 54, protocol: 'TCP' },
    ],
  },
  { name: 'side', ports: [{ name: 'metrics', containerPort: 9100 }] },
];
const pair = (arg: string) => portPairs([arg], containers)[0];
const refusal = (...args: string[]): string => {
  try {
    portPairs(args, containers);
  } catch (thrown) {
    return (thrown as { describe(): string }).describe();
  }
  return 'taken';
};

describe('port-forward: pairs of ports', () => {
  it('takes numbers and names, one for both sides or one for each, and free ones', () => {
    expect(pair('8080')).to.deep.equal({ localPort: 8080, podPort: 8080 });
    expect(pair('8080:80')).to.deep.equal({ localPort: 8080, podPort: 80 });
    expect(pair('8080:metrics')).to.deep.equal({ localPort: 8080, podPort: 9100 });
    expect(pair('http')).to.deep.equal({ localPort: 80, podPort: 80 });
    for (const arg of [':80', '0:80', ':http'])
      expect(pair(arg)).to.deep.equal({ localPort: 0, podPort: 80 });
    expect(portPairs([':80', ':81'], containers)).to.have.length(2);
  });

  it('refuses by its name what is no port, is there twice or is not for TCP', () => {
    expect(refusal('70000')).to.match(/^70000: 70000 is no port: they go from 1 to 65535/);
    expect(refusal('8080:70000')).to.match(/^8080:70000: 70000 is no port/);
    expect(refusal('0')).to.match(/^0: 0 is no port/);
    expect(refusal('a:80')).to.match(/^a:80: "a" is no local port; give a number from 1 to 65535/);
    expect(refusal('70000:80')).to.match(/^70000:80: "70000" is no local port/);
    expect(refusal('a:b')).to.match(/^a:b: the pod has no port named "b", only: http, dns, metrics/);
    expect(refusal('1:2:3')).to.match(/^1:2:3: is not of the form/);
    expect(refusal('80:')).to.match(/^80:: the pod has no port named ""/);
    expect(refusal('8080:80', '8080:81')).to.match(/^8080:81: local port 8080 is asked for twice/);
    expect(refusal('8053:53')).to.match(/^8053:53: port 53 of the pod is for UDP; only TCP is forwarded/);
    expect(refusal('dns')).to.match(/^dns: port dns of the pod is for UDP/);
    expect(pair('54')?.podPort, 'named for both').to.equal(54);
  });
});
