import { join } from 'node:path';
import type { AgentConfig } from '../agent-config.js';
import { containerLogFile, podLogFolder } from '../cri-requests.js';
import type { PodReconciler } from '../pod-reconciler.js';
import type { PodLog } from './rotation.js';

/** The logs of a pod's containers, as its last look at the runtime has them. */
export function podLogs(pod: PodReconciler, config: AgentConfig): PodLog[] {
  if (pod.leaving) return [];
  const { record, view } = pod;
  const { name, namespace } = record.pod.metadata;
  return view.containers
    .filter(({ state }) => state === 'CONTAINER_RUNNING' || state === 'CONTAINER_EXITED')
    .map(({ id, state, metadata }) => {
      const { name: container = '', attempt = 0 } = metadata ?? {};
      return {
        containerId: id,
        path: join(podLogFolder(record, config), containerLogFile(container, attempt)),
        running: state === 'CONTAINER_RUNNING',
        attempt,
        labels: { uid: record.uid, namespace, pod: name, container },
      };
    });
}
