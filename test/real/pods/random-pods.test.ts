import { expect } from 'chai';
import fc from 'fast-check';
import {
  newLinuxContainerConfig,
  newLinuxContainerSecurityContext,
  newLinuxPodSandboxConfig,
  newLinuxSandboxSecurityContext,
  newListPodSandboxRequest,
  newNamespaceOption,
} from '../../../src/ports/cri/messages.js';
import { leftovers } from '../leftovers.js';
import { PodClient } from '../pod-client.js';
import { startRealNode } from '../real-node.js';
import type { RealNode } from '../real-node.js';
import { badPods, names, namespaces } from './random-config/pod-pieces.js';
import type { PodDraft, PodPiece } from './random-config/pod-pieces.js';
import { randomRuns } from './random-config/random-runs.js';
import { runningProcess } from './random-config/running-process.js';

describe('pods: random sandbox configs (real processes)', () => {
  let node: RealNode;
  let pods: PodClient;
  before(async () => {
    node = await startRealNode();
    pods = await PodClient.on(node);
  });
  after(() => node.dispose());

  const draftOf = (pieces: readonly PodPiece[]): PodDraft => {
    const draft: PodDraft = {
      config: {},
      sysctls: {},
      security: newLinuxSandboxSecurityContext(),
      namespaces: newNamespaceOption(),
    };
    for (const { put } of pieces) put(draft);
    return draft;
  };
  const runPod = ({ config, sysctls, security, namespaces: namespace_options }: PodDraft) =>
    pods.runPod({
      ...config,
      linux: newLinuxPodSandboxConfig({ sysctls, security_context: { ...security, namespace_options } }),
    });

  it('run as they say when every part of them can be had', async () => {
    const property = fc.asyncProperty(namespaces, names, async (...pieces) => {
      const draft = draftOf(pieces);
      const sandbox = await runPod(draft);
      try {
        const context = newLinuxContainerSecurityContext({ namespace_options: draft.namespaces });
        const linux = newLinuxContainerConfig({ security_context: context });
        const id = await pods.run(sandbox, { linux });
        const process = await runningProcess(await pods.pid(id));
        const status = await pods.podStatus(sandbox);
        for (const { holds } of pieces) holds({ process, status });
        for (const [name, value] of Object.entries(draft.sysctls)) {
          expect(await pods.shell(id, `cat /proc/sys/${name.replaceAll('.', '/')}`), name).to.equal(value);
        }
      } finally {
        await pods.removePod(sandbox);
      }
    });
    await fc.assert(property, randomRuns(24));
  });

  it('are refused by the name of the part that can’t be had, and leave nothing', async () => {
    const property = fc.asyncProperty(namespaces, names, badPods, async (...pieces) => {
      const broken = pieces[2];
      const outcome = await runPod(draftOf(pieces)).then(
        (id) => `was accepted as ${id}`,
        (thrown: Error) => thrown.message,
      );
      expect(outcome.startsWith(broken.refused ?? '')).to.equal(true, `${broken.label}: ${outcome}`);
      const { items } = await node.cri.runtime.ListPodSandbox(newListPodSandboxRequest(), node.ctx);
      expect(items).to.deep.equal([]);
    });
    await fc.assert(property, randomRuns(24));
    const left = await leftovers(node.config);
    expect(left.filter((line) => /netns|overlay|shm|veth/.test(line))).to.deep.equal([]);
  });
});
