import fs from 'node:fs/promises';
import { createRealHost } from '../host/real-host.js';
import type { Host } from '../ports/host.js';
import type { NodeConfig } from '../spec/node-config.js';
import { createLog } from '../telemetry/log.js';
import { createNode } from './node.js';

/** Where a node keeps its records: one folder for good, one for this boot. */
export function recordPaths({ rootDir, runDir }: Pick<NodeConfig, 'rootDir' | 'runDir'>): {
  storePath: string;
  bootPath: string;
} {
  return { storePath: `${rootDir}/records`, bootPath: `${runDir}/records` };
}

async function realHost(config: NodeConfig): Promise<Host> {
  await fs.mkdir(config.rootDir, { recursive: true, mode: 0o700 });
  await fs.mkdir(config.runDir, { recursive: true, mode: 0o711 });
  return createRealHost(recordPaths(config));
}

/** `nodelet serve`: runs until SIGTERM or SIGINT; containers outlive it. */
export async function serve(config: NodeConfig): Promise<void> {
  const log = createLog({ level: config.logLevel });
  const node = await createNode(config, await realHost(config), log);
  await node.start();
  await new Promise<void>((resolve) => {
    process.once('SIGTERM', resolve);
    process.once('SIGINT', resolve);
  });
  log.info({}, 'stopping; containers go on');
  await node.stop();
}

/** `nodelet teardown`: removes every pod and all of the network. The daemon must not be running. */
export async function tearDown(config: NodeConfig): Promise<void> {
  const log = createLog({ level: config.logLevel });
  const node = await createNode(config, await realHost(config), log);
  await node.tearDown();
}
