import { createPrivateKey, createSign, randomUUID, X509Certificate } from 'node:crypto';
import fs from 'node:fs';
import http from 'node:http';
import type { AddressInfo } from 'node:net';

export interface TokenRequest {
  method: string;
  scope: string;
  authorization: string;
}

/** A token service as the distribution project describes it, whose tokens a real docker-registry takes. */
export class TokenServer {
  private readonly server = http.createServer((request, response) => this.answer(request, response));
  readonly requests: TokenRequest[] = [];
  readonly issuer = 'test issuer';
  readonly service = 'test registry';
  /** Seconds that tokens are good for. */
  lifetimeS = 60;
  /** Answers this status instead, as often. */
  refuse = { status: 0, times: 0 };
  private host = '';

  /** Tokens are signed with this key, and show this certificate. Only this login gets one. */
  constructor(
    private readonly identity: { cert: string; key: string },
    private readonly login: string,
  ) {}

  async start(): Promise<void> {
    await new Promise<void>((resolve) => this.server.listen(0, '127.0.0.1', resolve));
    this.host = `127.0.0.1:${(this.server.address() as AddressInfo).port}`;
  }

  async stop(): Promise<void> {
    await new Promise((resolve) => {
      this.server.close(resolve);
      this.server.closeAllConnections();
    });
  }

  /** The `auth` part of a docker-registry's configuration; `ca` has signed the certificate. */
  registryAuth(ca: string): object {
    const { issuer, service } = this;
    return { token: { realm: `http://${this.host}/token`, service, issuer, rootcertbundle: ca } };
  }

  private answer(request: http.IncomingMessage, response: http.ServerResponse): void {
    const url = new URL(request.url ?? '/', 'http://x');
    const { authorization = '' } = request.headers;
    const scope = url.searchParams.get('scope') ?? '';
    this.requests.push({ method: request.method ?? '', scope, authorization });
    if (this.refuse.times > 0) {
      this.refuse.times -= 1;
      response.writeHead(this.refuse.status).end();
    } else if (authorization !== `Basic ${Buffer.from(this.login).toString('base64')}`) {
      response.writeHead(401).end();
    } else {
      response.writeHead(200, { 'content-type': 'application/json' });
      response.end(JSON.stringify({ token: this.token(scope), expires_in: this.lifetimeS }));
    }
  }

  private token(scope: string): string {
    const [type = '', name = '', actions = ''] = scope.split(':');
    const chain = [new X509Certificate(fs.readFileSync(this.identity.cert)).raw.toString('base64')];
    const nowS = Math.floor(Date.now() / 1000);
    const claims = {
      iss: this.issuer,
      sub: 'test',
      aud: this.service,
      iat: nowS,
      nbf: nowS - 5,
      exp: nowS + this.lifetimeS,
      jti: randomUUID(),
      access: [{ type, name, actions: actions.split(',') }],
    };
    const part = (value: object) => Buffer.from(JSON.stringify(value)).toString('base64url');
    const text = `${part({ typ: 'JWT', alg: 'RS256', x5c: chain })}.${part(claims)}`;
    const key = createPrivateKey(fs.readFileSync(this.identity.key));
    return `${text}.${createSign('RSA-SHA256').update(text).sign(key).toString('base64url')}`;
  }
}
