import { execFileSync } from 'node:child_process';
import { expect } from 'chai';
import {
  newImageFsInfoRequest,
  newImageSpec,
  newImageStatusRequest,
  newPullImageRequest,
} from '../../../src/ports/cri/messages.js';
import { callVersion, http2Session } from '../../cri/authority/http2-clients.js';
import { failureOf } from '../images/image-world.js';
import { PodClient } from '../pod-client.js';
import type { RealNode } from '../real-node.js';
import { startRealNode } from '../real-node.js';
import { freePort } from '../test-registry.js';

/** The value of a sample by its name and labels, in the order in which they are exposed; undefined where there is none. */
function sample(exposition: string, name: string): number | undefined {
  const line = exposition.split('\n').find((each) => each.startsWith(`${name} `));
  return line === undefined ? undefined : Number(line.slice(name.length + 1));
}

describe('cri: a whole node, as clients and Prometheus see it', () => {
  let node: RealNode;
  let pods: PodClient;
  let image: string;
  let metricsPort: number;
  before(async () => {
    metricsPort = await freePort();
    node = await startRealNode({ config: { metricsAddress: `127.0.0.1:${metricsPort}` } });
    image = await node.image();
    pods = await PodClient.on(node, image);
  });
  after(async () => {
    await pods.removeAll();
    await node.dispose();
  });

  const scrape = async (): Promise<string> => (await fetch(`http://127.0.0.1:${metricsPort}/metrics`)).text();
  const pull = (reference: string) =>
    node.cri.images.PullImage(newPullImageRequest({ image: newImageSpec({ image: reference }) }), node.ctx);

  it('counts calls, errors by code, pods, containers and pulls, in a form that promtool accepts', async () => {
    const sandbox = await pods.runPod();
    await pods.create(sandbox);
    await failureOf(pull(`${image}-that-is-not-there`));
    const exposition = await scrape();
    expect(execFileSync('promtool', ['check', 'metrics'], { input: exposition, encoding: 'utf8' })).to.equal(
      '',
    );
    for (const [name, value] of [
      ['nodelet_cri_operations_total{operation="RunPodSandbox"}', 1],
      ['nodelet_cri_operations_total{operation="PullImage"}', 2],
      ['nodelet_cri_operation_errors_total{operation="PullImage",code="NOT_FOUND"}', 1],
      ['nodelet_cri_operation_duration_seconds_count{operation="RunPodSandbox"}', 1],
      ['nodelet_cri_operation_duration_seconds_bucket{le="+Inf",operation="CreateContainer"}', 1],
      ['nodelet_image_pulls_total{result="success"}', 1],
      ['nodelet_image_pulls_total{result="failure"}', 1],
      ['nodelet_pods{state="ready"}', 1],
      ['nodelet_containers{state="created"}', 1],
    ] as const) {
      expect(sample(exposition, name), name).to.equal(value);
    }
    for (const name of [
      'nodelet_image_pull_bytes_total',
      'process_resident_memory_bytes',
      'nodejs_eventloop_lag_p99_seconds',
    ]) {
      expect(sample(exposition, name), name).to.be.greaterThan(0);
    }
  });

  it('answers a client whose :authority is the path of the socket', async () => {
    const session = http2Session(node.config.criSocket);
    const headers = { ':authority': node.config.criSocket };
    expect((await callVersion(session, { version: 'v1', headers })).grpcStatus).to.equal('0');
    session.destroy();
  });

  it('pulls from a real registry by tag and by digest, and says what it takes', async () => {
    const { image: byTag } = await node.cri.images.ImageStatus(
      newImageStatusRequest({ image: newImageSpec({ image }) }),
      node.ctx,
    );
    const [digest = ''] = byTag?.repo_digests ?? [];
    expect((await pull(digest)).image_ref).to.equal(byTag?.id);
    const wrong = await failureOf(pull(digest.replace(/[0-9a-f]{64}$/, '0'.repeat(64))));
    expect(wrong).to.include({ kind: 'not-found' });
    const {
      image_filesystems: [usage],
    } = await node.cri.images.ImageFsInfo(newImageFsInfoRequest(), node.ctx);
    const onDisk = execFileSync('du', ['--block-size=1', '-s', `${node.config.rootDir}/layers`], {
      encoding: 'utf8',
    });
    const bytes = Number(usage?.used_bytes?.value);
    expect(bytes / Number(onDisk.split('\t')[0])).to.be.within(0.9, 1.1);
  });
});
