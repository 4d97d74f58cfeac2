import { NodeletError } from '../../base/errors.js';
import type { ContainerShape } from '../kube-shapes.js';

/** A port of this machine, 0 for any that is free, and the port of the pod that it leads to. */
export interface PortPair {
  localPort: number;
  podPort: number;
}

type DeclaredPort = NonNullable<ContainerShape['ports']>[number];

const maxPort = 65_535;

/**
 * The pairs of `[LOCAL:]REMOTE` arguments, as kubectl has them: `8080`, `8080:80`, `:80`, `8080:http`. Names are those of the
 * containers' ports. `invalid`, `not-found` or `unsupported` with the argument as the field.
 */
export function portPairs(args: readonly string[], containers: readonly ContainerShape[]): PortPair[] {
  const declared = containers.flatMap(({ ports }) => ports ?? []);
  const taken = new Set<number>();
  return args.map((arg) => {
    const parts = arg.split(':');
    const remote = parts.at(-1) ?? '';
    if (parts.length > 2)
      throw new NodeletError('invalid', 'is not of the form [LOCAL:]REMOTE', { field: arg });
    const podPort = podPortOf(remote, { arg, declared });
    const localPort = parts.length === 1 ? podPort : localPortOf(parts[0] ?? '', arg);
    if (localPort !== 0 && taken.has(localPort))
      throw new NodeletError('invalid', `local port ${localPort} is asked for twice`, { field: arg });
    taken.add(localPort);
    return { localPort, podPort };
  });
}

function localPortOf(text: string, arg: string): number {
  if (text === '') return 0;
  if (isPort(text, 0)) return Number(text);
  throw new NodeletError('invalid', `"${text}" is no local port`, {
    field: arg,
    remedy: `give a number from 1 to ${maxPort}, or nothing for any that is free`,
  });
}

function podPortOf(text: string, { arg, declared }: { arg: string; declared: DeclaredPort[] }): number {
  if (/^\d+$/.test(text) && !isPort(text, 1))
    throw new NodeletError('invalid', `${text} is no port: they go from 1 to ${maxPort}`, { field: arg });
  const meant = declared.filter(({ name, containerPort }) => name === text || String(containerPort) === text);
  // A port that no container names may be listened on all the same, one that they name for UDP alone is UDP's.
  const found = meant.find(({ protocol = 'TCP' }) => protocol === 'TCP') ?? meant[0];
  if (found !== undefined && (found.protocol ?? 'TCP') !== 'TCP')
    throw new NodeletError(
      'unsupported',
      `port ${text} of the pod is for ${found.protocol}; only TCP is forwarded`,
      {
        field: arg,
      },
    );
  if (found !== undefined) return found.containerPort;
  if (isPort(text, 1)) return Number(text);
  const names = declared.flatMap(({ name }) => name ?? []).join(', ');
  throw new NodeletError(
    'not-found',
    `the pod has no port named "${text}", ${names === '' ? 'and none with a name' : `only: ${names}`}`,
    {
      field: arg,
    },
  );
}

const isPort = (text: string, least: number): boolean =>
  /^\d{1,5}$/.test(text) && Number(text) >= least && Number(text) <= maxPort;
