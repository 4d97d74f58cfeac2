import { NodeletError } from '../base/errors.js';
import type { ApiClient } from './api-client.js';
import type { ListShape, PodShape } from './kube-shapes.js';
import type { LogFlags } from './log-flags.js';
import { podNameOf, podPath, podsPath } from './pod-paths.js';

/** One container whose log is to be printed. */
export interface LogSource {
  pod: string;
  container: string;
}

type WhichFlags = Pick<LogFlags, 'namespace' | 'container' | 'allContainers' | 'selector'>;

const defaultContainer = 'kubectl.kubernetes.io/default-container';

/** The containers that are meant, pod by pod, init containers first. `note` is told of a choice that was left to us. */
export async function logSources(
  api: ApiClient,
  pods: readonly string[],
  flags: WhichFlags,
  note: (text: string) => void,
): Promise<LogSource[]> {
  if (flags.allContainers === true && flags.container.length > 0)
    throw new NodeletError('invalid', 'excludes --all-containers', { field: '--container' });
  const found = await podsOf(api, pods, flags);
  return found.flatMap((pod) =>
    containersOf(pod, flags, note).map((container) => ({ pod: pod.metadata.name, container })),
  );
}

async function podsOf(
  api: ApiClient,
  pods: readonly string[],
  { namespace, selector }: WhichFlags,
): Promise<PodShape[]> {
  if ((selector === undefined) === (pods.length === 0))
    throw new NodeletError('invalid', 'give either names of pods or a selector', {
      field: selector === undefined ? 'pod' : '--selector',
    });
  if (selector !== undefined) {
    const query = { labelSelector: selector };
    return (await api.json<ListShape<PodShape>>({ method: 'GET', path: podsPath(namespace), query })).items;
  }
  const found: PodShape[] = [];
  for (const pod of pods)
    found.push(await api.json<PodShape>({ method: 'GET', path: podPath(namespace, podNameOf(pod)) }));
  return found;
}

function containersOf(pod: PodShape, flags: WhichFlags, note: (text: string) => void): string[] {
  const names = (list: { name: string }[] = []): string[] => list.map(({ name }) => name);
  const mains = names(pod.spec?.containers);
  const all = [...names(pod.spec?.initContainers), ...mains];
  if (flags.allContainers === true) return all;
  for (const name of flags.container)
    if (!all.includes(name))
      throw new NodeletError(
        'not-found',
        `pod ${pod.metadata.name} has no container ${name}, only: ${all.join(', ')}`,
        {
          field: '--container',
        },
      );
  if (flags.container.length > 0) return flags.container;
  const chosen = pod.metadata.annotations?.[defaultContainer] ?? mains[0] ?? '';
  if (all.length > 1) note(`Defaulted container "${chosen}" out of: ${all.join(', ')}\n`);
  return [chosen];
}
