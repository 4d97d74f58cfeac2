import { execFile, spawn } from 'node:child_process';
import fs from 'node:fs';
import net from 'node:net';
import type { AddressInfo } from 'node:net';
import { setTimeout as sleep } from 'node:timers/promises';
import { promisify } from 'node:util';

const execute = promisify(execFile);
const pollMs = 20;
const readyPatienceMs = 30_000;
const endPatienceMs = 15_000;

/** Runs a tool to its end and gives its output; fails with what it printed. */
export async function runTool(program: string, ...args: string[]): Promise<string> {
  return (await execute(program, args, { maxBuffer: 1 << 26 })).stdout;
}

export interface Daemon {
  pid: number;
  stop: () => Promise<void>;
}

/**
 * Starts a daemon in a session of its own, so that a Ctrl-C ends only the benchmark, which then stops the
 * daemon in order. Resolves once `ready` does; when it ends before that, fails with the end of its log.
 */
export async function startDaemon(
  argv: readonly string[],
  logFile: string,
  ready: () => Promise<unknown>,
): Promise<Daemon> {
  const log = fs.openSync(logFile, 'a');
  const [program = '', ...args] = argv;
  const child = spawn(program, args, { detached: true, stdio: ['ignore', log, log] });
  fs.closeSync(log);
  let ended = false;
  const end = new Promise<void>((resolve) => {
    const over = (): void => {
      ended = true;
      resolve();
    };
    child.once('exit', over);
    child.once('error', over);
  });
  const stop = async (): Promise<void> => {
    child.kill('SIGTERM');
    const patience = new AbortController();
    await Promise.race([
      end,
      sleep(endPatienceMs, undefined, { signal: patience.signal }).catch(() => undefined),
    ]);
    patience.abort();
    if (!ended) child.kill('SIGKILL');
    await end;
  };
  try {
    await waitUntil(
      () => {
        if (!ended) return ready();
        const tail = fs.readFileSync(logFile, 'utf8').split('\n').slice(-10).join('\n');
        throw new Error(`${program} ended at once:\n${tail}`);
      },
      () => ended,
    );
  } catch (thrown) {
    await stop();
    throw thrown;
  }
  return { pid: child.pid ?? 0, stop };
}

/** Repeats `attempt` until it no longer throws; throws its last failure when `hopeless` or after half a minute. */
async function waitUntil(attempt: () => Promise<unknown>, hopeless: () => boolean): Promise<void> {
  const deadlineMs = performance.now() + readyPatienceMs;
  for (;;) {
    try {
      await attempt();
      return;
    } catch (thrown) {
      if (hopeless() || performance.now() > deadlineMs) throw thrown;
      await sleep(pollMs);
    }
  }
}

/** A TCP port on loopback that was free a moment ago. */
export async function freePort(): Promise<number> {
  const server = net.createServer();
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  const { port } = server.address() as AddressInfo;
  await new Promise<unknown>((resolve) => server.close(resolve));
  return port;
}
