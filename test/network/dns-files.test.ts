import { expect } from 'chai';
import { renderHosts, renderResolvConf } from '../../src/network/dns-files.js';
import { newDNSConfig } from '../../src/ports/cri/messages.js';

describe('network: DNS files of a pod', () => {
  const stub = 'nameserver 127.0.0.53\nsearch lan\n';

  it("takes the request's DNS config", () => {
    const dns = newDNSConfig({ servers: ['10.0.0.1'], searches: ['a', 'b'], options: ['ndots:5'] });
    const text = renderResolvConf(dns, { text: stub, upstreamText: '', ownNetwork: true });
    expect(text).to.equal('search a b\nnameserver 10.0.0.1\noptions ndots:5\n');
  });

  it("asks a local resolver's upstream from a network of its own", () => {
    const host = { text: stub, upstreamText: 'nameserver 192.0.2.1\n', ownNetwork: true };
    expect(renderResolvConf(null, host)).to.equal('nameserver 192.0.2.1\n');
    expect(renderResolvConf(null, { ...host, ownNetwork: false })).to.equal(stub);
  });

  it('never hands a loopback server to a network of its own', () => {
    const host = { text: `${stub}nameserver 192.0.2.2\n`, upstreamText: '', ownNetwork: true };
    expect(renderResolvConf(null, host)).to.equal('search lan\nnameserver 192.0.2.2\n');
  });

  it('names the pod in its hosts file', () => {
    expect(renderHosts({ ip: '10.88.0.2', hostname: 'web' })).to.match(/^10\.88\.0\.2\tweb$/m);
  });
});
