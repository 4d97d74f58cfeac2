import { setTimeout as sleep } from 'node:timers/promises';
import { newAttachRequest, newExecRequest, newPortForwardRequest } from '../../src/ports/cri/messages.js';
import type { StreamClientProcess } from './client-process.js';
import { contextOf, podUp } from './pod-cycle.js';
import type { LivePod, PodShape } from './pod-cycle.js';
import { Samples } from './samples.js';
import type { Flow } from './samples.js';

const ports = { echo: 7001, source: 7002, sink: 7003 } as const;
const blockBytes = 64 * 1024;
const readyPatienceMs = 10_000;
const readyPollMs = 50;

/** Bytes that pass the log on their way out are written to a disk, too. */
const logShare = 1 / 16;

/** A pod with an end for every kind of stream: ports that send, take and send back, and a container to attach to. */
export class StreamPod {
  private constructor(
    private readonly shape: PodShape,
    private readonly pod: LivePod,
    private readonly client: StreamClientProcess,
    private readonly bytes: number,
  ) {}

  static async start(shape: PodShape, client: StreamClientProcess, bytes: number): Promise<StreamPod> {
    const script = [
      `nc -ll -p ${ports.echo} -e cat &`,
      `nc -ll -p ${ports.source} -e sh -c '${zeroes(String(blocksOf(bytes)))}' &`,
      `nc -ll -p ${ports.sink} -e sh -c '${sink(bytes)}; echo' &`,
      `while read count; do ${zeroes('$count')}; done`,
    ];
    const workload = { command: ['/bin/sh', '-c', script.join('\n')], stdin: true };
    const pod = new StreamPod(shape, await podUp(shape, new Samples(), workload), client, bytes);
    await pod.ready();
    return pod;
  }

  /** Bytes of one measurement. */
  bytesOf(flow: Flow): number {
    return flow === 'attach out' ? blocksOf(this.bytes * logShare) * blockBytes : this.bytes;
  }

  /** How long a flow takes, from its first byte to its last. */
  async flowMs(flow: Flow): Promise<number> {
    const bytes = this.bytesOf(flow);
    const [durationMs = Number.NaN] = await this.client.run(await this.task(flow, bytes));
    return durationMs;
  }

  /** Connections one after the other: how long until a byte has been there and back. */
  async connectMs(connections: number): Promise<number[]> {
    return this.client.run({ kind: 'echo', url: await this.forwardUrl(), port: ports.echo, connections });
  }

  private async task(flow: Flow, bytes: number) {
    switch (flow) {
      case 'exec out':
        return {
          kind: 'output',
          url: await this.execUrl(zeroes(String(blocksOf(bytes))), false),
          bytes,
        } as const;
      case 'exec in':
        return { kind: 'input', url: await this.execUrl(swallow, true), bytes } as const;
      case 'attach out':
        return {
          kind: 'attached',
          url: await this.attachUrl(),
          line: `${blocksOf(bytes)}\n`,
          bytes,
        } as const;
      case 'port-forward out':
        return { kind: 'download', url: await this.forwardUrl(), port: ports.source, bytes } as const;
      case 'port-forward in':
        return { kind: 'upload', url: await this.forwardUrl(), port: ports.sink, bytes } as const;
    }
  }

  private async execUrl(script: string, stdin: boolean): Promise<string> {
    const cmd = ['/bin/sh', '-c', script];
    const request = newExecRequest({ container_id: this.pod.containerId, cmd, stdin, stdout: true });
    return (await this.shape.client.runtime.Exec(request, contextOf(this.shape))).url;
  }

  private async attachUrl(): Promise<string> {
    const request = newAttachRequest({ container_id: this.pod.containerId, stdin: true, stdout: true });
    return (await this.shape.client.runtime.Attach(request, contextOf(this.shape))).url;
  }

  private async forwardUrl(): Promise<string> {
    const request = newPortForwardRequest({ pod_sandbox_id: this.pod.sandboxId });
    return (await this.shape.client.runtime.PortForward(request, contextOf(this.shape))).url;
  }

  /** Its servers begin to listen some milliseconds after its start. */
  private async ready(): Promise<void> {
    const deadlineMs = performance.now() + readyPatienceMs;
    for (;;) {
      try {
        await this.connectMs(1);
        return;
      } catch (thrown) {
        if (this.shape.signal.aborted || performance.now() > deadlineMs) throw thrown;
        await sleep(readyPollMs);
      }
    }
  }
}

/** Keeps its stdout open by another number: containerd ends a command's input when its output has ended. */
const swallow = 'exec 3>&1; echo; exec cat >/dev/null';
const blocksOf = (bytes: number): number => Math.max(1, Math.round(bytes / blockBytes));
const zeroes = (blocks: string): string => `dd if=/dev/zero bs=${blockBytes} count=${blocks} 2>/dev/null`;
/** Takes so many bytes and ends. */
const sink = (bytes: number): string =>
  `dd of=/dev/null bs=${blockBytes} count=${blocksOf(bytes)} iflag=fullblock 2>/dev/null`;
