import { SpdyClient } from './spdy-client.js';

/** What a client does at one streaming URL. Durations are in milliseconds. */
export type StreamTask =
  /** A command without output: connects, and waits for its end to be told. */
  | { kind: 'outcome'; url: string }
  /** A command that prints so many bytes: from the first to the last of them. */
  | { kind: 'output'; url: string; bytes: number }
  /** A command that prints a byte, and ends with its input, of so many: from that first byte to the end. */
  | { kind: 'input'; url: string; bytes: number }
  /** A container that, for a line, prints so many bytes: from the first to the last. */
  | { kind: 'attached'; url: string; line: string; bytes: number }
  /** Connections to a port that sends back what it gets: of each the time until its first byte has come back. */
  | { kind: 'echo'; url: string; port: number; connections: number }
  /** A port that sends so many bytes: from the first to the last. */
  | { kind: 'download'; url: string; port: number; bytes: number }
  /** A port that takes so many bytes and then sends one: from the first to that. */
  | { kind: 'upload'; url: string; port: number; bytes: number };

const command = 'v4.channel.k8s.io';
const forwarding = 'portforward.k8s.io';
const ignore = (): undefined => undefined;

/** Does a task and tells its durations: one, or one for each connection. */
export async function runTask(task: StreamTask): Promise<number[]> {
  const startedMs = performance.now();
  const isForward = task.kind === 'echo' || task.kind === 'download' || task.kind === 'upload';
  const client = await SpdyClient.connect(task.url, isForward ? forwarding : command);
  try {
    return await Promise.race([perform(client, task, startedMs), client.failure]);
  } finally {
    client.close();
  }
}

async function perform(client: SpdyClient, task: StreamTask, startedMs: number): Promise<number[]> {
  switch (task.kind) {
    case 'outcome': {
      const told = new Moment();
      await client.open({ streamtype: 'error' }, () => told.reach());
      await client.open({ streamtype: 'stdout' }, ignore);
      return [(await told.reached) - startedMs];
    }
    case 'output':
    case 'attached': {
      const output = new Arrival(task.bytes);
      await client.open({ streamtype: 'error' }, ignore);
      if (task.kind === 'attached') {
        const stdin = await client.open({ streamtype: 'stdin' }, ignore);
        await client.open({ streamtype: 'stdout' }, output.receive);
        client.sendText(stdin, task.line);
      } else await client.open({ streamtype: 'stdout' }, output.receive);
      return [await output.durationMs()];
    }
    case 'input': {
      const [begun, told] = [new Moment(), new Moment()];
      await client.open({ streamtype: 'error' }, () => told.reach());
      const stdin = await client.open({ streamtype: 'stdin' }, ignore);
      await client.open({ streamtype: 'stdout' }, (bytes) => bytes > 0 && begun.reach());
      const sentMs = await begun.reached;
      await client.sendZeroes(stdin, task.bytes);
      client.end(stdin);
      return [(await told.reached) - sentMs];
    }
    case 'echo': {
      const durationsMs: number[] = [];
      for (let index = 0; index < task.connections; index++)
        durationsMs.push(await echo(client, task.port, index));
      return durationsMs;
    }
    case 'download': {
      const output = new Arrival(task.bytes);
      await connectPort(client, { port: task.port, requestId: 0 }, output.receive);
      return [await output.durationMs()];
    }
    case 'upload': {
      const taken = new Moment();
      const data = await connectPort(
        client,
        { port: task.port, requestId: 0 },
        (bytes) => bytes > 0 && taken.reach(),
      );
      const sentMs = performance.now();
      await client.sendZeroes(data, task.bytes);
      return [(await taken.reached) - sentMs];
    }
  }
}

async function echo(client: SpdyClient, port: number, requestId: number): Promise<number> {
  const back = new Moment();
  const startedMs = performance.now();
  const data = await connectPort(client, { port, requestId }, (bytes) => bytes > 0 && back.reach());
  await client.sendZeroes(data, 1);
  const durationMs = (await back.reached) - startedMs;
  client.end(data);
  return durationMs;
}

/** Opens the two streams of a forwarded connection; gives the one for data. */
async function connectPort(
  client: SpdyClient,
  { port, requestId }: { port: number; requestId: number },
  receive: (bytes: number, fin: boolean) => void,
): Promise<number> {
  const headers = { port: String(port), requestid: String(requestId) };
  const refused = (bytes: number): void => {
    if (bytes > 0) client.fail(new Error(`port ${port} was refused`));
  };
  const error = await client.open({ ...headers, streamtype: 'error' }, refused);
  client.end(error);
  return client.open({ ...headers, streamtype: 'data' }, receive);
}

/** Something that happens once; resolves with when that was. */
class Moment {
  reach: () => void = ignore;
  readonly reached = new Promise<number>((resolve) => (this.reach = () => resolve(performance.now())));
}

/** So many bytes that are to come. */
class Arrival {
  private readonly all = new Moment();
  private firstMs = 0;

  constructor(private leftBytes: number) {}

  readonly receive = (bytes: number): void => {
    if (bytes === 0) return;
    if (this.firstMs === 0) this.firstMs = performance.now();
    this.leftBytes -= bytes;
    if (this.leftBytes <= 0) this.all.reach();
  };

  async durationMs(): Promise<number> {
    return (await this.all.reached) - this.firstMs;
  }
}
