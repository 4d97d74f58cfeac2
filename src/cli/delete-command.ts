import type { Command } from 'commander';
import { NodeletError, isKind } from '../base/errors.js';
import type { ApiClient } from './api-client.js';
import type { PodShape } from './kube-shapes.js';
import { podNamesOf, readManifests } from './manifest-source.js';
import type { CliSurface } from './pod-commands.js';
import { namespaceFlag, podPath, requirePodKind } from './pod-paths.js';

interface Flags {
  namespace: string;
  filename?: string[];
  gracePeriod?: string;
  wait: boolean;
}

interface PodPlace {
  namespace: string;
  name: string;
}

interface DeletedPod extends PodPlace {
  uid: string | undefined;
}

const pollMs = 200;

/** Adds `delete`, which returns once the pods are gone. */
export function addDelete(program: Command, { out, stdin, api }: CliSurface): void {
  program
    .command('delete')
    .description('stop and remove pods, by name or by manifest')
    .argument('[kind]', 'pod')
    .argument('[names...]')
    .option(...namespaceFlag)
    .option('-f, --filename <path...>', 'the pods of files, folders, or - for standard input')
    .option('--grace-period <seconds>', "time to end by themselves (default: the pod's own)")
    .option('--no-wait', 'return before they are gone')
    .action(async (kind: string | undefined, names: string[], flags: Flags) => {
      const { namespace, filename, gracePeriod, wait } = flags;
      if (kind !== undefined) requirePodKind(kind);
      if ((filename === undefined) === (names.length === 0)) {
        throw new NodeletError('invalid', 'name the pods either as `delete pod NAME` or with -f FILE');
      }
      if (gracePeriod !== undefined && !/^\d{1,9}$/.test(gracePeriod)) {
        throw new NodeletError('invalid', 'must be a whole number of seconds', { field: '--grace-period' });
      }
      const pods: PodPlace[] = names.map((name) => ({ namespace, name }));
      for (const path of filename ?? [])
        for (const source of await readManifests(path, stdin)) pods.push(...podNamesOf(source, namespace));
      const asked: DeletedPod[] = [];
      for (const pod of pods) {
        const query = { gracePeriodSeconds: gracePeriod };
        try {
          const path = podPath(pod.namespace, pod.name);
          const { metadata } = await api().json<PodShape>({ method: 'DELETE', path, query });
          asked.push({ ...pod, uid: metadata.uid });
          out(`pod/${pod.name} deleted\n`);
        } catch (thrown) {
          // A manifest says which pods shall be gone: one that is gone already is no failure.
          if (filename === undefined || !isKind(thrown, 'not-found')) throw thrown;
          out(`pod/${pod.name} not found\n`);
        }
      }
      if (wait) for (const pod of asked) await untilGone(api(), pod);
    });
}

/** Another pod may have the name by then: its uid tells. */
async function untilGone(api: ApiClient, { namespace, name, uid }: DeletedPod): Promise<void> {
  for (;;) {
    try {
      const { metadata } = await api.json<PodShape>({ method: 'GET', path: podPath(namespace, name) });
      if (metadata.uid !== uid) return;
    } catch (thrown) {
      if (isKind(thrown, 'not-found')) return;
      throw thrown;
    }
    await new Promise((resolve) => setTimeout(resolve, pollMs));
  }
}
