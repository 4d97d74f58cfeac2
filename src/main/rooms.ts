import type { Log } from '../base/call-context.js';
import type { Images } from '../images/images.js';
import { createPodNetwork } from '../network/bridge-network.js';
import type { PodNetwork } from '../network/pod-network.js';
import type { PodsRoom } from '../pods/pods-room.js';
import { createPods } from '../pods/pods-room.js';
import type { StreamingSessions } from '../ports/cri/streaming.js';
import type { Host } from '../ports/host.js';
import { createContainerRunner } from '../runtime/runner.js';
import type { NodeConfig } from '../spec/config/node-config.js';
import { machineLimits } from './machine-limits.js';

export interface RoomsParts {
  config: NodeConfig;
  host: Host;
  images: Images;
  streams: StreamingSessions;
  log: Log;
  version: string;
}

/** The rooms that make pods, wired over one host: what the daemon serves and the simulation crashes. */
export interface Rooms {
  network: PodNetwork;
  pods: PodsRoom;
  /** Starts them in the order in which they lean on each other, recovering what the last run left. */
  start(): Promise<void>;
}

export async function createRooms(parts: RoomsParts): Promise<Rooms> {
  const { config, host, images, streams, log, version } = parts;
  const runner = createContainerRunner({ config, ...host, log: log.child({ room: 'runtime' }) });
  const network = createPodNetwork({ config: config.network, ...host, log: log.child({ room: 'network' }) });
  const limits = await machineLimits(host);
  const pods = createPods(
    { config, limits, host, images, network, runner, streams, log: log.child({ room: 'pods' }) },
    version,
  );
  return {
    network,
    pods,
    start: async () => {
      await host.files.makeDir(config.runDir, 0o711);
      await runner.start();
      await images.start();
      await network.start();
      await pods.start();
    },
  };
}
