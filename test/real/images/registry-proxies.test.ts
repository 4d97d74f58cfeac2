import http from 'node:http';
import type { AddressInfo } from 'node:net';
import { expect } from 'chai';
import { RegistryTransport } from '../../../src/images/registry/transport.js';
import { failureOf } from './image-world.js';

/** A loopback address that nobody takes for this machine by its name. */
const excepted = '127.0.0.2';

/** An HTTP proxy that leads every name to one server. */
class NamelessProxy {
  readonly asked: string[] = [];
  private readonly server = http.createServer((request, response) => {
    this.asked.push(`${request.method} ${request.url}`);
    response.writeHead(200).end('by proxy');
  });

  async start(): Promise<string> {
    this.server.on('connect', (request, socket) => {
      this.asked.push(`CONNECT ${request.url}`);
      socket.end('HTTP/1.1 503 Service Unavailable\r\n\r\n');
    });
    await new Promise<void>((resolve) => this.server.listen(0, '127.0.0.1', resolve));
    return `http://127.0.0.1:${(this.server.address() as AddressInfo).port}`;
  }

  async stop(): Promise<void> {
    const closed = new Promise((resolve) => this.server.close(resolve));
    this.server.closeAllConnections();
    await closed;
  }
}

describe('images: proxies of the environment (real sockets)', () => {
  let proxy: NamelessProxy;
  let transport: RegistryTransport;
  beforeEach(async () => {
    proxy = new NamelessProxy();
    const address = await proxy.start();
    transport = new RegistryTransport({
      stallMs: 60_000,
      proxies: { httpProxy: address, httpsProxy: address, noProxy: excepted },
    });
  });
  afterEach(async () => {
    await transport.close();
    await proxy.stop();
  });
  const send = (url: string) =>
    transport.send({
      url,
      headers: {},
      connection: { skipVerify: false },
      signal: new AbortController().signal,
    });

  it('are asked for registries elsewhere, by plain http and through a tunnel for https', async () => {
    expect(await (await send('http://registry.invalid/v2/')).body.text()).to.equal('by proxy');
    expect((await failureOf(send('https://registry.invalid/v2/'))).kind).to.equal('unavailable');
    expect(proxy.asked).to.deep.equal(['GET http://registry.invalid/v2/', 'CONNECT registry.invalid:443']);
  });

  it('are not asked for this machine, and not for what is excepted', async () => {
    for (const host of ['127.0.0.1', excepted]) {
      const server = http.createServer((_request, response) => void response.writeHead(204).end());
      await new Promise<void>((resolve) => server.listen(0, host, resolve));
      const { port } = server.address() as AddressInfo;
      expect((await send(`http://${host}:${port}/v2/`)).statusCode).to.equal(204);
      server.closeAllConnections();
      await new Promise((resolve) => server.close(resolve));
    }
    expect(proxy.asked).to.deep.equal([]);
  });
});
