import { spawn } from 'node:child_process';
import type { ChildProcess } from 'node:child_process';
import { randomBytes, randomInt } from 'node:crypto';
import fs from 'node:fs';
import os from 'node:os';
import path from 'node:path';
import { expect } from 'chai';
import { stringify } from 'yaml';
import type { CallContext } from '../../src/base/call-context.js';
import { backgroundContext, silentLog } from '../../src/base/call-context.js';
import { createCriClient } from '../../src/cri/client.js';
import type { CriClient } from '../../src/cri/client.js';
import { createClock } from '../../src/host/clock.js';
import { createMounts } from '../../src/host/mounts.js';
import { createRealHost } from '../../src/host/real-host.js';
import { createNode } from '../../src/main/node.js';
import type { NodeletNode } from '../../src/main/node.js';
import { hostPaths } from '../../src/main/serve.js';
import { newImageSpec, newPullImageRequest } from '../../src/ports/cri/messages.js';
import type { NodeConfig } from '../../src/spec/config/node-config.js';
import { parseNodeConfig } from '../../src/spec/config/node-config-parse.js';
import { createLog } from '../../src/telemetry/log.js';
import { leftovers } from './leftovers.js';
import { repositoryDir, testRegistry } from './test-registry.js';
import type { ImageVariant } from './test-registry.js';

export interface RealNodeOptions {
  /** `child`: a daemon of its own (`nodelet serve`), which can be killed. Default: in this process. */
  as?: 'child' | 'in-process';
  /** Working folder of a `child`. */
  cwd?: string;
  /** Keys of config.yaml over the fixture's own. */
  config?: Record<string, unknown>;
}

/** A whole nodelet on this machine, under names that nobody else uses. */
export interface RealNode {
  readonly config: NodeConfig;
  /** Holds all of the node's files; a place for the test's own as well. */
  readonly dir: string;
  /** A client of the node's CRI socket; it lives on over restarts. */
  readonly cri: CriClient;
  readonly ctx: CallContext;
  /** Pushes an image variant to the test registry and pulls it through the node; gives its reference. */
  image(variant?: ImageVariant): Promise<string>;
  /** Starts the daemon again after stop or kill. */
  start(): Promise<void>;
  /** Ends the daemon the orderly way (SIGTERM); containers go on. */
  stop(): Promise<void>;
  /** SIGKILL for the daemon, only for `child`; resolves when it is gone. */
  kill(): Promise<void>;
  /** What the daemon has logged (`child` only). */
  log(): string;
  /** Removes all pods and the network, then asserts that nothing of the node is left on the machine. */
  dispose(): Promise<void>;
}

const hugetlb = '/sys/fs/cgroup/hugetlb';
let hugetlbWasMounted: boolean | undefined;
after('unmount what the node mounted for crun', async () => {
  if (hugetlbWasMounted !== false || !isMounted(hugetlb)) return;
  await createMounts().unmount(hugetlb);
  fs.rmdirSync(hugetlb);
});

/** Starts a node whose CRI socket answers when this resolves. */
export async function startRealNode(options: RealNodeOptions = {}): Promise<RealNode> {
  hugetlbWasMounted ??= isMounted(hugetlb);
  const dir = fs.mkdtempSync(path.join(os.tmpdir(), 'nodelet-'));
  // The root of a user namespace must get through to its root file system, as it gets through /run.
  fs.chmodSync(dir, 0o711);
  const configFile = path.join(dir, 'config.yaml');
  const text = stringify({ ...uniqueConfig(dir), ...options.config });
  fs.writeFileSync(configFile, text);
  const config = parseNodeConfig(text, { fileName: configFile, hostName: 'test-node' });
  const daemon = options.as === 'child' ? childDaemon(dir, configFile, options.cwd) : ownDaemon(config);
  const ctx = backgroundContext();
  const cri = createCriClient({ socketPath: config.criSocket, clock: createClock(), timeoutMs: 60_000 });

  const start = async () => {
    await daemon.start();
    await waitFor('the CRI socket', async () => {
      daemon.assertAlive();
      return cri.runtime.Version({ version: 'v1' }, ctx).then(
        () => true,
        () => false,
      );
    });
  };
  const dispose = async () => {
    cri.close();
    await daemon.stop();
    const node = await ownNode(config);
    await node.tearDown();
    // A killed process needs a moment until the machine's process 1 has reaped it.
    await waitFor('nothing is left', async () => (await leftovers(config)).length === 0, 10_000).catch(
      () => undefined,
    );
    const left = await leftovers(config);
    if (left.length === 0) fs.rmSync(dir, { recursive: true, force: true });
    expect(left, 'left on the machine').to.deep.equal([]);
  };
  const node: RealNode = {
    config,
    dir,
    cri,
    ctx,
    image: async (variant) => {
      const image = await (await testRegistry()).push(variant);
      await cri.images.PullImage(newPullImageRequest({ image: newImageSpec({ image }) }), ctx);
      return image;
    },
    start,
    stop: () => daemon.stop(),
    kill: () => daemon.kill(),
    log: () => daemon.log(),
    dispose,
  };
  try {
    await start();
    return node;
  } catch (thrown) {
    await dispose();
    throw thrown;
  }
}

/** Polls until `holds`; fails after `timeoutMs`, naming what was waited for. */
export async function waitFor(
  what: string,
  holds: () => Promise<boolean> | boolean,
  timeoutMs = 30_000,
): Promise<void> {
  const deadline = performance.now() + timeoutMs;
  while (!(await holds())) {
    if (performance.now() > deadline) throw new Error(`waited ${timeoutMs} ms in vain: ${what}`);
    await new Promise((resolve) => setTimeout(resolve, 20));
  }
}

function uniqueConfig(dir: string): Record<string, unknown> {
  const suffix = randomBytes(3).toString('hex');
  return {
    rootDir: `${dir}/lib`,
    runDir: `${dir}/run`,
    manifestDir: `${dir}/manifests`,
    podLogDir: `${dir}/logs`,
    registriesFile: `${dir}/registries.yaml`,
    dockerConfig: `${dir}/docker.json`,
    metricsAddress: '',
    cgroupParent: `/nodelet-${suffix}`,
    logLevel: 'debug',
    runtimes: { crun: { path: '/usr/bin/crun' }, runc: { path: '/usr/sbin/runc' } },
    defaultRuntime: 'crun',
    network: {
      bridge: `nlt${suffix}`,
      table: `nlt_${suffix}`,
      subnet: `10.${randomInt(200, 255)}.${randomInt(0, 256)}.0/24`,
    },
  };
}

interface Daemon {
  start(): Promise<void>;
  stop(): Promise<void>;
  kill(): Promise<void>;
  assertAlive(): void;
  log(): string;
}

async function ownNode(config: NodeConfig): Promise<NodeletNode> {
  fs.mkdirSync(config.rootDir, { recursive: true });
  fs.mkdirSync(config.runDir, { recursive: true, mode: 0o711 });
  const log = process.env['NODELET_TEST_LOG'] === '1' ? createLog({ level: 'debug' }) : silentLog;
  return createNode(config, createRealHost(hostPaths(config)), log);
}

function ownDaemon(config: NodeConfig): Daemon {
  let node: NodeletNode | undefined;
  return {
    start: async () => {
      node = await ownNode(config);
      await node.start();
    },
    stop: async () => {
      await node?.stop();
      node = undefined;
    },
    kill: () => Promise.reject(new Error('only a child can be killed: startRealNode({ as: "child" })')),
    assertAlive: () => undefined,
    log: () => '',
  };
}

function childDaemon(dir: string, configFile: string, cwd: string | undefined): Daemon {
  const logFile = path.join(dir, 'daemon.log');
  let child: ChildProcess | undefined;
  const end = async (signal: NodeJS.Signals) => {
    if (child === undefined) return;
    const gone = new Promise((resolve) => child?.once('exit', resolve));
    if (child.exitCode === null && child.signalCode === null) {
      child.kill(signal);
      await gone;
    }
    child = undefined;
  };
  const log = () => (fs.existsSync(logFile) ? fs.readFileSync(logFile, 'utf8') : '');
  return {
    start: async () => {
      const out = fs.openSync(logFile, 'a');
      const argv = [path.join(repositoryDir, 'bin/nodelet.js'), 'serve', '--config', configFile];
      child = spawn(process.execPath, argv, {
        stdio: ['ignore', out, out],
        ...(cwd === undefined ? {} : { cwd }),
      });
      fs.closeSync(out);
    },
    stop: () => end('SIGTERM'),
    kill: () => end('SIGKILL'),
    assertAlive: () => {
      if (child !== undefined && child.exitCode === null && child.signalCode === null) return;
      throw new Error(`the daemon ended:\n${log().slice(-4000)}`);
    },
    log,
  };
}

/** Whether something is mounted at a path. */
export function isMounted(target: string): boolean {
  return fs.readFileSync('/proc/self/mountinfo', 'utf8').includes(` ${target} `);
}
