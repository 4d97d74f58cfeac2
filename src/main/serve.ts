import fs from 'node:fs/promises';
import { lockFolder } from '../host/folder-lock.js';
import { createRealHost } from '../host/real-host.js';
import type { RealHostPaths } from '../host/real-host.js';
import type { Host } from '../ports/host.js';
import type { NodeConfig } from '../spec/config/node-config.js';
import { createLog } from '../telemetry/log.js';
import type { NodeletNode } from './node.js';
import { createNode } from './node.js';

/** Where a node keeps its records, one folder for good and one for this boot, and what else belongs to this boot. */
export function hostPaths({ rootDir, runDir }: Pick<NodeConfig, 'rootDir' | 'runDir'>): RealHostPaths {
  return { storePath: `${rootDir}/records`, bootPath: `${runDir}/records`, runDir };
}

/** This machine, with the node's folders to ourselves: neither records nor sandboxes bear a second master. */
async function claimHost(config: NodeConfig): Promise<{ host: Host; release: () => void }> {
  await fs.mkdir(config.rootDir, { recursive: true, mode: 0o700 });
  await fs.mkdir(config.runDir, { recursive: true, mode: 0o711 });
  const locks = [lockFolder(config.rootDir)];
  const release = (): void => locks.splice(0).forEach((unlock) => unlock());
  try {
    locks.push(lockFolder(config.runDir));
    return { host: createRealHost(hostPaths(config)), release };
  } catch (thrown) {
    release();
    throw thrown;
  }
}

/** `nodelet serve`: runs until SIGTERM or SIGINT; containers outlive it. Refused beside another on the same folders. */
export async function serve(config: NodeConfig): Promise<void> {
  // The folder it was started in may be removed, and conmon does not start where there is none.
  process.chdir('/');
  const log = createLog({ level: config.logLevel });
  const { host, release } = await claimHost(config);
  const node = await createNode(config, host, log);
  await orStopped(node, () => node.start());
  await new Promise<void>((resolve) => {
    process.once('SIGTERM', resolve);
    process.once('SIGINT', resolve);
  });
  log.info({}, 'stopping; containers go on');
  await node.stop();
  release();
}

/** `nodelet teardown`: removes every pod and all of the network. Refused while the daemon runs. */
export async function tearDown(config: NodeConfig): Promise<void> {
  const log = createLog({ level: config.logLevel });
  const { host, release } = await claimHost(config);
  const node = await createNode(config, host, log);
  await orStopped(node, () => node.tearDown());
  release();
}

/** A failure half-way must not leave servers and watches behind that keep the process from ending. */
async function orStopped(node: NodeletNode, work: () => Promise<void>): Promise<void> {
  try {
    await work();
  } catch (thrown) {
    await node.stop();
    throw thrown;
  }
}
