import { NodeletError } from '../../base/errors.js';
import { newAttachResponse, newExecResponse, newPortForwardResponse } from '../../ports/cri/messages.js';
import type { RuntimeVerbs } from '../../ports/cri/runtime.js';
import { runningContainer } from '../containers/container-target.js';
import { isAlive } from '../liveness.js';
import type { Pods } from '../pods.js';
import { offerAttach, offerExec, offerForward } from './stream-offers.js';

/** CRI's verbs that answer a URL, at which the client finds its streams. */
export function streamVerbs(pods: Pods) {
  return {
    Exec: async (request) =>
      newExecResponse({ url: offerExec(pods, runningContainer(pods, request.container_id), request) }),
    Attach: async (request) =>
      newAttachResponse({ url: offerAttach(pods, runningContainer(pods, request.container_id), request) }),
    PortForward: async (request) => {
      const record = pods.ledger.findSandbox(request.pod_sandbox_id);
      if (record.stage !== 'ready' || !isAlive(pods, record.infra)) {
        throw new NodeletError('wrong-state', `sandbox ${record.id} is not ready`, {
          field: 'pod_sandbox_id',
        });
      }
      return newPortForwardResponse({ url: offerForward(pods, record, request) });
    },
  } satisfies Partial<RuntimeVerbs>;
}
