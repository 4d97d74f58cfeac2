import fs from 'node:fs';
import { expect } from 'chai';
import fc from 'fast-check';
import { newLinuxContainerConfig, newRemoveContainerRequest } from '../../../src/ports/cri/messages.js';
import type { ContainerConfig } from '../../../src/ports/cri/messages.js';
import { PodClient } from '../pod-client.js';
import { startRealNode } from '../real-node.js';
import type { RealNode } from '../real-node.js';
import { identity } from './random-config/identity.js';
import { emptyDraft } from './random-config/piece.js';
import type { Piece } from './random-config/piece.js';
import { bad, devices, filters, letters, mounts, paths, resources, words } from './random-config/pieces.js';
import { randomRuns } from './random-config/random-runs.js';
import { runningProcess } from './random-config/running-process.js';

describe('pods: random container configs (real processes)', () => {
  let node: RealNode;
  let pods: PodClient;
  let sandbox = '';
  let dir = '';
  before(async () => {
    node = await startRealNode();
    pods = await PodClient.on(node);
    sandbox = await pods.runPod();
    dir = `${node.dir}/volumes`;
    fs.mkdirSync(`${dir}/files`, { recursive: true });
    fs.symlinkSync('files', `${dir}/link`);
    fs.symlinkSync('nowhere', `${dir}/dangling`);
  });
  after(() => node.dispose());

  const configOf = (pieces: readonly Piece[]): Partial<ContainerConfig> => {
    const draft = emptyDraft();
    for (const { put } of pieces) put(draft);
    const linux = newLinuxContainerConfig({ resources: draft.resources, security_context: draft.security });
    return { ...draft.config, linux };
  };
  const remove = (id: string) =>
    node.cri.runtime.RemoveContainer(newRemoveContainerRequest({ container_id: id }), node.ctx);
  /** Whatever is on the disk of the node's containers; a refused config adds nothing. */
  const onDisk = () =>
    [node.config.rootDir, node.config.runDir].flatMap((top) =>
      ['containers', 'snapshots'].flatMap((name) => {
        const at = `${top}/${name}`;
        return fs.existsSync(at) ? fs.readdirSync(at).map((entry) => `${at}/${entry}`) : [];
      }),
    );

  const good = () => [words, identity, resources, paths, mounts(dir), devices, filters, letters] as const;

  it('run as they say when every part of them can be had', async () => {
    const property = fc.asyncProperty(fc.tuple(...good()), async (pieces) => {
      const id = await pods.create(sandbox, configOf(pieces));
      try {
        await pods.start(id);
        const status = await pods.status(id);
        expect(status.state).to.equal('CONTAINER_RUNNING');
        const process = await runningProcess(await pods.pid(id));
        for (const { holds } of pieces) holds({ process, status });
      } finally {
        await remove(id);
      }
    });
    await fc.assert(property, randomRuns(60));
  });

  it('are refused by the name of the part that can’t be had, and leave nothing', async () => {
    const property = fc.asyncProperty(fc.tuple(...good()), bad(dir), async (pieces, broken) => {
      const before = [await pods.containersOf(sandbox), onDisk()];
      const outcome = await pods.create(sandbox, configOf([...pieces, broken])).then(
        async (id) => {
          await remove(id);
          return `was accepted as ${id}`;
        },
        (thrown: Error) => thrown.message,
      );
      expect(outcome.startsWith(broken.refused ?? '')).to.equal(true, `${broken.label}: ${outcome}`);
      expect([await pods.containersOf(sandbox), onDisk()]).to.deep.equal(before);
    });
    await fc.assert(property, randomRuns(60));
  });
});
