import { totalmem } from 'node:os';
import type { Log } from '../base/call-context.js';
import { NodeletError } from '../base/errors.js';
import { splitHostPort } from '../base/host-port.js';
import { createAgent } from '../agent/agent.js';
import { createApiServer } from '../api/server.js';
import { withListStreams } from '../cri/list-streams.js';
import { observedRuntime } from '../cri/observed-runtime.js';
import { createCriServer } from '../cri/server.js';
import { createStreamingServer } from '../cri/streaming/server.js';
import type { TlsIdentity } from '../cri/streaming/upgrade-server.js';
import { createImages } from '../images/image-room.js';
import type { ProxySettings } from '../images/registry/transport.js';
import type { CriRuntime } from '../ports/cri/runtime.js';
import type { Host } from '../ports/host.js';
import type { NodeConfig } from '../spec/config/node-config.js';
import { createMetrics } from '../telemetry/metrics.js';
import { createMetricsServer } from '../telemetry/metrics-server.js';
import { createRooms } from './rooms.js';
import { packageVersion } from './version.js';

/** One running nodelet: everything wired, started in the order in which the rooms lean on each other. */
export interface NodeletNode {
  start(): Promise<void>;
  /** Stops serving; containers run on under their monitors. */
  stop(): Promise<void>;
  /** Removes every pod, the bridge and the firewall table: the machine is as before. */
  tearDown(): Promise<void>;
}

export async function createNode(config: NodeConfig, host: Host, log: Log): Promise<NodeletNode> {
  const version = packageVersion();
  const metrics = createMetrics({ version });
  const images = createImages({
    config,
    ...host,
    log: log.child({ room: 'images' }),
    proxies: proxiesOf(process.env),
    onPull: ({ ok, bytes }) => metrics.imagePull({ result: ok ? 'success' : 'failure', bytes }),
  });
  const tls = await streamIdentity(config, host);
  const streams = createStreamingServer({
    address: config.streaming.address,
    tls,
    ...host,
    log: log.child({ room: 'cri' }),
  });
  const rooms = await createRooms({ config, host, images, streams, log, version });
  const { network, pods } = rooms;
  metrics.observeStates({ pods: () => pods.counts().sandboxes, containers: () => pods.counts().containers });
  const runtime: CriRuntime = observedRuntime(
    withListStreams({ runtime: pods.verbs, images: images.verbs }),
    { log: log.child({ room: 'cri' }), metrics, clock: host.clock },
  );
  const agent = createAgent({
    cri: runtime,
    ...host,
    log: log.child({ room: 'agent' }),
    metrics,
    config: { ...config, machineMemoryBytes: totalmem() },
  });
  metrics.observeLogs(() => agent.logUsage());
  const api = createApiServer({
    agent,
    images,
    socketPath: config.apiSocket,
    log: log.child({ room: 'api' }),
    streamCertificate: tls?.cert,
  });
  const cri = createCriServer({
    runtime,
    log,
    socketPath: config.criSocket,
    clock: host.clock,
  });
  const metricsServer =
    config.metricsAddress === ''
      ? undefined
      : createMetricsServer({ metrics, log, ...splitHostPort(config.metricsAddress) });
  return {
    start: async () => {
      await rooms.start();
      await streams.start();
      await cri.start();
      await agent.start();
      await api.start();
      await metricsServer?.start();
      log.info({ cri: config.criSocket, api: config.apiSocket, metrics: config.metricsAddress }, 'serving');
    },
    stop: async () => {
      await api.stop();
      await agent.stop();
      await cri.stop();
      await streams.stop();
      await metricsServer?.stop();
      await pods.stop();
      await images.stop();
      metrics.close();
      await host.store.close();
    },
    tearDown: async () => {
      await rooms.start();
      await pods.removeAll();
      await pods.stop();
      await network.tearDown();
      await host.cgroups.remove(config.cgroupParent);
      await images.stop();
      metrics.close();
      await host.store.close();
    },
  };
}

/** Proxies for registries, by the names that programs agree on; the names in lower case win, as with curl. */
function proxiesOf(env: NodeJS.ProcessEnv): ProxySettings {
  const named = (name: string): string | undefined => env[name.toLowerCase()] || env[name] || undefined;
  return { httpProxy: named('HTTP_PROXY'), httpsProxy: named('HTTPS_PROXY'), noProxy: named('NO_PROXY') };
}

/** The certificate and key that the configuration names. */
async function streamIdentity(
  { streaming: { tlsCert, tlsKey } }: NodeConfig,
  { files }: Host,
): Promise<TlsIdentity | undefined> {
  if (tlsCert === undefined || tlsKey === undefined) return undefined;
  const read = async (field: string, path: string): Promise<Buffer> => {
    const content = await files.read(path);
    if (content !== undefined) return content;
    throw new NodeletError('not-found', `there is no file ${path}`, { field: `streaming.${field}` });
  };
  return { cert: await read('tlsCert', tlsCert), key: await read('tlsKey', tlsKey) };
}
