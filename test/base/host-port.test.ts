import { expect } from 'chai';
import { splitHostPort } from '../../src/base/host-port.js';

describe('base: HOST:PORT', () => {
  it('comes apart into what listen() takes: an IPv6 host has no brackets there', () => {
    expect(splitHostPort('127.0.0.1:9477')).to.deep.equal({ host: '127.0.0.1', port: 9477 });
    expect(splitHostPort('localhost:0')).to.deep.equal({ host: 'localhost', port: 0 });
    expect(splitHostPort('[::1]:9477')).to.deep.equal({ host: '::1', port: 9477 });
  });
});
