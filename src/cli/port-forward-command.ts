import type net from 'node:net';
import type { Command } from 'commander';
import { NodeletError, asNodeletError, isKind } from '../base/errors.js';
import type { ApiClient } from './api-client.js';
import type { PodShape } from './kube-shapes.js';
import type { CliSurface } from './pod-commands.js';
import { namespaceFlag, podNameOf, podPath } from './pod-paths.js';
import { carry } from './port-forward/carried-connection.js';
import { listenOnAll, localAddresses } from './port-forward/local-listeners.js';
import { portPairs } from './port-forward/port-pairs.js';

interface Flags {
  namespace: string;
  address: string;
}

const pollMs = 1000;

/** Adds `port-forward`, which serves until the pod ends or it is interrupted. */
export function addPortForward(program: Command, surface: CliSurface): void {
  program
    .command('port-forward')
    .description('make ports of a pod reachable on this machine')
    .argument('<pod>', 'POD, or pod/POD')
    .argument(
      '<ports...>',
      '[LOCAL:]REMOTE; REMOTE may be a name; without LOCAL, or 0, :REMOTE takes a free port',
    )
    .option(...namespaceFlag)
    .option('--address <addresses>', 'where to listen: localhost and IP addresses, with commas', 'localhost')
    .action((pod: string, ports: string[], flags: Flags) => forwardPorts(surface, pod, ports, flags));
}

async function forwardPorts(surface: CliSurface, pod: string, ports: string[], flags: Flags): Promise<void> {
  const { out, err, api } = surface;
  const addresses = localAddresses(flags.address);
  const path = podPath(flags.namespace, podNameOf(pod));
  const found = await api().json<PodShape>({ method: 'GET', path });
  const { containers = [], initContainers = [] } = found.spec ?? {};
  const pairs = portPairs(ports, [...containers, ...initContainers]);
  requireRunning(found);
  const servers: net.Server[] = [];
  const sockets = new Set<net.Socket>();
  try {
    for (const { localPort, podPort } of pairs) {
      const listening = await listenOnAll(addresses, localPort, {
        warn: err,
        connected: (socket) => {
          sockets.add(socket);
          socket.once('close', () => sockets.delete(socket));
          const { localPort: port = 0 } = socket;
          out(`Handling connection for ${port}\n`);
          const target = { socketPath: surface.apiSocket(), path: `${path}/portforward`, podPort };
          carry(socket, target).catch((thrown: unknown) => {
            err(`nodelet: ${port} -> ${podPort}: ${asNodeletError(thrown).describe()}\n`);
          });
        },
      });
      servers.push(...listening.servers);
      for (const server of listening.servers) {
        const { address, family, port } = server.address() as net.AddressInfo;
        out(`Forwarding from ${family === 'IPv6' ? `[${address}]` : address}:${port} -> ${podPort}\n`);
      }
    }
    await untilEnded(api(), path, found.metadata.uid);
  } finally {
    for (const server of servers) server.close();
    for (const socket of sockets) socket.resetAndDestroy();
  }
}

function requireRunning({ metadata, status }: PodShape): void {
  if (status?.phase === 'Running') return;
  throw new NodeletError(
    'wrong-state',
    `pod ${metadata.name} is ${status?.phase ?? 'unknown'}, not Running`,
    {
      remedy: `see \`nodelet describe pod ${metadata.name}\``,
    },
  );
}

/** Rejects once the pod is no longer there to be reached, or nobody can tell. */
async function untilEnded(api: ApiClient, path: string, uid: string | undefined): Promise<never> {
  for (;;) {
    await new Promise((resolve) => setTimeout(resolve, pollMs));
    const pod = await api.json<PodShape>({ method: 'GET', path }).catch((thrown: unknown) => {
      if (isKind(thrown, 'not-found')) return undefined;
      throw thrown;
    });
    if (pod === undefined || pod.metadata.uid !== uid)
      throw new NodeletError('unavailable', 'the pod is gone');
    const { phase = '' } = pod.status ?? {};
    if (['Succeeded', 'Failed'].includes(phase))
      throw new NodeletError('unavailable', `the pod has ended: ${phase}`);
  }
}
