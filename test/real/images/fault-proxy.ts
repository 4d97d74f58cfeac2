import http from 'node:http';
import type { AddressInfo } from 'node:net';
import { Transform } from 'node:stream';

/** What goes wrong with one answer; bytes are counted in the body of that answer. */
export type Fault =
  /** The connection is destroyed after so many bytes. */
  | { kind: 'cut'; afterBytes: number }
  /** Nothing more comes after so many bytes, and the connection stays. */
  | { kind: 'stall'; afterBytes: number }
  | { kind: 'slow'; bytesPerSecond: number }
  /** One bit of this byte is another one. */
  | { kind: 'corrupt'; atByte: number }
  | { kind: 'status'; status: number; headers?: Record<string, string> }
  /** As of a server that knows no ranges: 200 and the whole. */
  | { kind: 'whole' }
  /** The answer says that its bytes begin somewhere else. */
  | { kind: 'other-range'; shiftBytes: number };

interface Rule {
  pathPart: string;
  fault: Fault;
  times: number;
}

export interface ProxiedRequest {
  method: string;
  path: string;
  range: string | undefined;
}

/** Stands before a registry on loopback and does to its answers what networks and proxies do. */
export class FaultProxy {
  private readonly server = http.createServer((request, response) => this.serve(request, response));
  private readonly rules: Rule[] = [];
  private readonly timers = new Set<NodeJS.Timeout>();
  readonly requests: ProxiedRequest[] = [];
  private readonly responses = new Set<http.ServerResponse>();
  /** Bytes of bodies that were handed to the network. */
  sentBytes = 0;
  host = '';

  /** `upstream` is `HOST:PORT`, spoken to in plain http. */
  constructor(private readonly upstream: string) {}

  async start(): Promise<void> {
    await new Promise<void>((resolve) => this.server.listen(0, '127.0.0.1', resolve));
    this.host = `127.0.0.1:${(this.server.address() as AddressInfo).port}`;
  }

  async stop(): Promise<void> {
    for (const timer of this.timers) clearTimeout(timer);
    const closed = new Promise((resolve) => this.server.close(resolve));
    this.server.closeAllConnections();
    await closed;
  }

  /** The next answers (`times` of them) to requests whose path contains `pathPart` have this fault; rules are used up in their order. */
  fault(pathPart: string, fault: Fault, times = 1): void {
    this.rules.push({ pathPart, fault, times });
  }

  /** Whether some client doesn't take what is there for it. */
  get isHeldUp(): boolean {
    return [...this.responses].some(({ writableNeedDrain }) => writableNeedDrain);
  }

  /** Forgets all rules and requests. */
  reset(): void {
    this.rules.length = 0;
    this.sentBytes = 0;
    this.requests.length = 0;
  }

  /** Requests whose path contains this. */
  to(pathPart: string): ProxiedRequest[] {
    return this.requests.filter(({ path }) => path.includes(pathPart));
  }

  private next(path: string): Fault | undefined {
    const rule = this.rules.find(({ pathPart, times }) => times > 0 && path.includes(pathPart));
    if (rule !== undefined) rule.times -= 1;
    return rule?.fault;
  }

  private serve(request: http.IncomingMessage, response: http.ServerResponse): void {
    const { method = 'GET', url: path = '/' } = request;
    this.requests.push({ method, path, range: request.headers.range });
    const fault = this.next(path);
    if (fault?.kind === 'status') {
      request.resume();
      response.writeHead(fault.status, fault.headers).end();
      return;
    }
    const headers = { ...request.headers };
    if (fault?.kind === 'whole') delete headers.range;
    const [host, port] = this.upstream.split(':');
    const onward = http.request({ host, port, method, path, headers, agent: false }, (answer) =>
      this.answer(answer, response, fault),
    );
    onward.on('error', () => response.destroy());
    response.on('close', () => onward.destroy());
    request.pipe(onward);
  }

  private answer(
    answer: http.IncomingMessage,
    response: http.ServerResponse,
    fault: Fault | undefined,
  ): void {
    const headers = { ...answer.headers };
    if (fault?.kind === 'other-range' && headers['content-range'] !== undefined) {
      headers['content-range'] = headers['content-range'].replace(/\d+/, (start) =>
        String(Number(start) + fault.shiftBytes),
      );
    }
    response.writeHead(answer.statusCode ?? 502, headers);
    this.responses.add(response);
    response.on('close', () => this.responses.delete(response));
    answer.on('data', (chunk: Buffer) => (this.sentBytes += chunk.length));
    const body = fault === undefined ? answer : answer.pipe(this.spoiler(fault, response));
    body.pipe(response);
    answer.on('error', () => response.destroy());
  }

  private spoiler(fault: Fault, response: http.ServerResponse): Transform {
    let sent = 0;
    return new Transform({
      transform: (chunk: Buffer, _encoding, done) => {
        const from = sent;
        sent += chunk.length;
        if ((fault.kind === 'cut' || fault.kind === 'stall') && sent > fault.afterBytes) {
          // The callback is never called: nothing follows.
          const last = chunk.subarray(0, Math.max(0, fault.afterBytes - from));
          response.write(last, () => (fault.kind === 'cut' ? response.destroy() : undefined));
          if (last.length === 0) response.flushHeaders();
        } else if (fault.kind === 'corrupt' && from <= fault.atByte && fault.atByte < sent) {
          const spoiled = Buffer.from(chunk);
          spoiled.writeUInt8((spoiled[fault.atByte - from] ?? 0) ^ 1, fault.atByte - from);
          done(null, spoiled);
        } else if (fault.kind === 'slow') {
          const timer = setTimeout(
            () => {
              this.timers.delete(timer);
              done(null, chunk);
            },
            (chunk.length * 1000) / fault.bytesPerSecond,
          );
          this.timers.add(timer);
        } else done(null, chunk);
      },
    });
  }
}
