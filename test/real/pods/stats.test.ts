import fs from 'node:fs';
import { expect } from 'chai';
import {
  newContainerStatsFilter,
  newContainerStatsRequest,
  newLinuxContainerConfig,
  newLinuxContainerResources,
  newLinuxPodSandboxConfig,
  newLinuxSandboxSecurityContext,
  newListContainerStatsRequest,
  newListMetricDescriptorsRequest,
  newListPodSandboxMetricsRequest,
  newListPodSandboxStatsRequest,
  newNamespaceOption,
  newPodSandboxStatsFilter,
  newPodSandboxStatsRequest,
  newStopContainerRequest,
  newStopPodSandboxRequest,
} from '../../../src/ports/cri/messages.js';
import type {
  ContainerStats,
  Metric,
  PodSandboxMetrics,
  PodSandboxStats,
  UInt64Value,
} from '../../../src/ports/cri/messages.js';
import { conditionalMetrics, kubeletMetrics } from '../../pods/metric-names.js';
import { PodClient, failure } from '../pod-client.js';
import type { RealNode } from '../real-node.js';
import { startRealNode, waitFor } from '../real-node.js';

const mebibyte = 1024 * 1024;
const second = 1_000_000_000;
const number = (value: UInt64Value | null | undefined): number => Number(value?.value ?? Number.NaN);
const limits = newLinuxContainerConfig({
  resources: newLinuxContainerResources({
    cpu_period: '100000',
    cpu_quota: '20000',
    cpu_shares: '1024',
    memory_limit_in_bytes: String(64 * mebibyte),
    memory_swap_limit_in_bytes: String(64 * mebibyte),
  }),
});

describe('pods: stats and metrics (real crun)', () => {
  let node: RealNode;
  let pods: PodClient;
  let sandbox = '';
  let container = '';
  before(async () => {
    node = await startRealNode({ config: { stats: { housekeepingMs: 1000, layerPeriodMs: 1000 } } });
    pods = await PodClient.on(node);
    sandbox = await pods.runPod({ labels: { app: 'one' }, annotations: { note: 'kept' } });
    container = await pods.run(sandbox, { linux: limits, labels: { tier: 'web' }, annotations: { a: 'b' } });
  });
  after(() => node.dispose());

  const statsOf = async (id: string): Promise<ContainerStats> => {
    const request = newContainerStatsRequest({ container_id: id });
    const { stats } = await node.cri.runtime.ContainerStats(request, node.ctx);
    if (stats === null) throw new Error(`no stats of ${id}`);
    return stats;
  };
  const podStatsOf = async (id: string): Promise<PodSandboxStats> => {
    const request = newPodSandboxStatsRequest({ pod_sandbox_id: id });
    const { stats } = await node.cri.runtime.PodSandboxStats(request, node.ctx);
    if (stats === null) throw new Error(`no stats of ${id}`);
    return stats;
  };
  const listed = async (filter?: Parameters<typeof newContainerStatsFilter>[0]) => {
    const request = newListContainerStatsRequest({
      filter: filter === undefined ? null : newContainerStatsFilter(filter),
    });
    const { stats } = await node.cri.runtime.ListContainerStats(request, node.ctx);
    return stats.map(({ attributes }) => attributes?.id);
  };
  const listedPods = async (filter?: Parameters<typeof newPodSandboxStatsFilter>[0]) => {
    const request = newListPodSandboxStatsRequest({
      filter: filter === undefined ? null : newPodSandboxStatsFilter(filter),
    });
    const { stats } = await node.cri.runtime.ListPodSandboxStats(request, node.ctx);
    return stats.map(({ attributes }) => attributes?.id);
  };
  const metricsOfPod = async (id: string): Promise<PodSandboxMetrics> => {
    const request = newListPodSandboxMetricsRequest();
    const { pod_metrics: all } = await node.cri.runtime.ListPodSandboxMetrics(request, node.ctx);
    const found = all.find(({ pod_sandbox_id: sandboxId }) => sandboxId === id);
    if (found === undefined) throw new Error(`no metrics of ${id}`);
    return found;
  };
  const allOf = ({ metrics, container_metrics }: PodSandboxMetrics): Metric[] => [
    ...metrics,
    ...container_metrics.flatMap((one) => one.metrics),
  ];

  it('has stats of a container the moment it runs, with who it is and when it was looked at', async () => {
    const before = BigInt(Date.now()) * 1_000_000n;
    const id = await pods.run(sandbox, { linux: limits, labels: { a: 'l' }, annotations: { b: 'm' } });
    const stats = await statsOf(id);
    expect(stats.attributes).to.deep.include({ id, labels: { a: 'l' }, annotations: { b: 'm' } });
    expect(BigInt(stats.cpu?.timestamp ?? 0) >= before).to.equal(true);
    expect(number(stats.cpu?.usage_core_nano_seconds)).to.be.greaterThan(0);
    const { memory } = stats;
    expect(number(memory?.usage_bytes)).to.be.within(4096, 64 * mebibyte);
    expect(number(memory?.working_set_bytes)).to.be.at.most(number(memory?.usage_bytes));
    expect(number(memory?.available_bytes)).to.equal(64 * mebibyte - number(memory?.working_set_bytes));
    // The kernel gathers these counters every two seconds: the first sample may be before that.
    await waitFor('page faults', async () => number((await statsOf(id)).memory?.page_faults) > 0);
    expect(number(stats.swap?.swap_usage_bytes)).to.equal(0);
    expect(number(stats.writable_layer?.inodes_used)).to.be.at.least(1);
    expect(stats.writable_layer?.fs_id?.mountpoint).to.equal(node.config.rootDir);
  });

  it('tells what a container has written, memory that it holds and CPU that it burns', async () => {
    const id = await pods.run(sandbox, {
      command: ['sh', '-c', 'dd if=/dev/zero of=/big bs=1M count=8; ln /big /same; while :; do :; done'],
    });
    await waitFor('the layer and the rate', async () => {
      const { writable_layer: layer, cpu } = await statsOf(id);
      return number(layer?.used_bytes) >= 8 * mebibyte && number(cpu?.usage_nano_cores) > second / 20;
    });
    const { writable_layer: layer, cpu, memory } = await statsOf(id);
    expect(number(layer?.used_bytes), 'a file of two names counts once').to.be.below(12 * mebibyte);
    // Beside the file there are the layer's folder and the mount points that the OCI runtime makes.
    expect(number(layer?.inodes_used)).to.be.within(2, 12);
    expect(number(cpu?.usage_nano_cores)).to.be.below(2 * second);
    expect(number(memory?.usage_bytes), 'the page cache of the file').to.be.at.least(4 * mebibyte);
    expect(memory?.available_bytes, 'no limit, nothing to be short of').to.equal(null);
    await node.cri.runtime.StopContainer(newStopContainerRequest({ container_id: id }), node.ctx);
  });

  it('answers from one sample for the housekeeping period, with the time at which that was taken', async () => {
    const stamps = new Set<string>();
    for (let call = 0; call < 20; call++) stamps.add((await statsOf(container)).cpu?.timestamp ?? '');
    expect(stamps.size).to.be.at.most(2);
    const [first = ''] = stamps;
    await waitFor('a new sample', async () => (await statsOf(container)).cpu?.timestamp !== first);
  });

  it('lists running containers by id, sandbox and labels', async () => {
    const other = await pods.runPod();
    const stranger = await pods.run(other);
    const created = await pods.create(other);
    expect(await listed())
      .to.include.members([container, stranger])
      .and.not.include(created);
    expect(await listed({ id: container.slice(0, 12) })).to.deep.equal([container]);
    expect(await listed({ pod_sandbox_id: other })).to.deep.equal([stranger]);
    expect(await listed({ label_selector: { tier: 'web' } })).to.deep.equal([container]);
    expect(await listed({ label_selector: { tier: 'db' } })).to.deep.equal([]);
    await node.cri.runtime.StopContainer(newStopContainerRequest({ container_id: stranger }), node.ctx);
    expect(await listed({ pod_sandbox_id: other })).to.deep.equal([]);
    const ended = await statsOf(stranger);
    expect([ended.cpu, ended.memory]).to.deep.equal([null, null]);
    expect(ended.attributes?.id).to.equal(stranger);
    await pods.removePod(other);
  });

  it('tells of a pod its whole cgroup, its interface, its processes and its containers', async () => {
    await waitFor('the first rate', async () => {
      const { linux } = await podStatsOf(sandbox);
      return linux?.cpu?.usage_nano_cores !== null;
    });
    const { attributes, linux } = await podStatsOf(sandbox);
    expect(attributes).to.deep.include({
      id: sandbox,
      labels: { app: 'one' },
      annotations: { note: 'kept' },
    });
    const own = linux?.containers.find((stats) => stats.attributes?.id === container);
    expect(number(linux?.memory?.usage_bytes)).to.be.greaterThan(number(own?.memory?.usage_bytes));
    expect(number(linux?.process?.process_count)).to.be.at.least(2);
    expect(linux?.network?.default_interface?.name).to.equal('eth0');
    expect(linux?.network?.interfaces).to.deep.equal([]);
    expect(number(linux?.network?.default_interface?.rx_errors)).to.equal(0);
  });

  it('counts traffic as the pod sees it: what it is sent is received', async () => {
    const inside = async (counter: string) =>
      Number(await pods.shell(container, `cat /sys/class/net/eth0/statistics/${counter}`));
    await pods.shell(container, `ping -c 3 -s 1000 -W 2 ${gatewayOf(node)} || true`);
    const [received, sent] = [await inside('rx_bytes'), await inside('tx_bytes')];
    expect(sent).to.be.greaterThan(3000);
    await waitFor('a sample of the traffic', async () => {
      const link = (await podStatsOf(sandbox)).linux?.network?.default_interface;
      return number(link?.rx_bytes) >= received && number(link?.tx_bytes) >= sent;
    });
  });

  it('has no network to tell of for a pod on the host network, which all of the host shares', async () => {
    const options = newNamespaceOption({ network: 'NODE' });
    const security_context = newLinuxSandboxSecurityContext({ namespace_options: options });
    const host = await pods.runPod({ hostname: '', linux: newLinuxPodSandboxConfig({ security_context }) });
    const { linux } = await podStatsOf(host);
    expect(linux?.network).to.equal(null);
    expect(number(linux?.memory?.usage_bytes)).to.be.greaterThan(0);
    expect((await metricsOfPod(host)).metrics).to.deep.equal([]);
    await pods.removePod(host);
  });

  it('lists ready pods by id and labels, and refuses to tell of one that has ended', async () => {
    const other = await pods.runPod({ labels: { app: 'two' } });
    expect(await listedPods()).to.include.members([sandbox, other]);
    expect(await listedPods({ id: other.slice(0, 10) })).to.deep.equal([other]);
    expect(await listedPods({ label_selector: { app: 'one' } })).to.deep.equal([sandbox]);
    await node.cri.runtime.StopPodSandbox(newStopPodSandboxRequest({ pod_sandbox_id: other }), node.ctx);
    expect(await listedPods()).to.not.include(other);
    expect(await failure(podStatsOf(other))).to.include({ kind: 'wrong-state' });
    await pods.removePod(other);
  });

  it('says of what is unknown that it is not there', async () => {
    expect(await failure(statsOf('f00d'))).to.include({ kind: 'not-found' });
    expect(await failure(podStatsOf('f00d'))).to.include({ kind: 'not-found' });
  });

  it('has every metric of the kubelet for a pod with a new container, each with its labels', async () => {
    const fresh = await pods.runPod();
    const id = await pods.run(fresh, { linux: limits });
    await pods.shell(id, 'mkdir -p /d && for i in 1 2 3; do echo hi > /d/$i; done; sync');
    const { descriptors } = await node.cri.runtime.ListMetricDescriptors(
      newListMetricDescriptorsRequest(),
      node.ctx,
    );
    const keys = new Map(descriptors.map(({ name, label_keys }) => [name, label_keys]));
    const metrics = await metricsOfPod(fresh);
    const names = new Set(allOf(metrics).map(({ name }) => name));
    expect(kubeletMetrics.filter((name) => !names.has(name))).to.deep.equal([]);
    // A client that was told of a metric expects a value of it.
    expect(
      [...keys.keys()].filter((name) => !names.has(name) && !conditionalMetrics.includes(name)),
    ).to.deep.equal([]);
    for (const { name, label_values, timestamp } of allOf(metrics)) {
      expect(label_values.length, name).to.equal(keys.get(name)?.length);
      expect(Number(timestamp), name).to.be.greaterThan(0);
    }
    const series = allOf(metrics).map(({ name, label_values }) => JSON.stringify([name, label_values]));
    expect(series.length, 'no series comes twice').to.equal(new Set(series).size);
    const { metadata } = pods.podConfigOf(fresh);
    const usage = metrics.container_metrics[0]?.metrics.find(
      ({ name }) => name === 'container_memory_usage_bytes',
    );
    const status = await pods.status(id);
    expect(usage?.label_values).to.deep.equal([
      id,
      status.metadata?.name,
      status.image?.image,
      'test',
      metadata?.name,
      status.metadata?.name,
    ]);
    const value = (name: string) => number(allOf(metrics).find((metric) => metric.name === name)?.value);
    expect(value('container_spec_memory_limit_bytes')).to.equal(64 * mebibyte);
    expect(value('container_spec_cpu_quota')).to.equal(20_000);
    expect(value('container_spec_cpu_shares')).to.be.within(990, 1024);
    expect(value('container_processes')).to.be.within(1, 2);
    expect(value('container_start_time_seconds')).to.be.closeTo(Date.now() / 1000, 120);
    expect(value('container_fs_limit_bytes')).to.be.greaterThan(mebibyte);
    await pods.removePod(fresh);
  });

  it('counts open files and sockets of the processes of a container', async () => {
    const fresh = await pods.runPod();
    const id = await pods.run(fresh, {
      command: ['sh', '-c', 'nc -l -p 8000 & exec 7</etc/passwd; exec sleep 1000'],
    });
    await waitFor('the socket', async () => {
      const metrics = allOf(await metricsOfPod(fresh));
      const value = (name: string) => number(metrics.find((metric) => metric.name === name)?.value);
      return value('container_sockets') >= 1 && value('container_file_descriptors') >= 5;
    });
    expect(await listed({ id })).to.deep.equal([id]);
    await pods.removePod(fresh);
  });

  it('streams what it lists, filtered alike', async () => {
    const { runtime } = node.cri;
    const other = await pods.runPod({ labels: { app: 'streamed' } });
    const id = await pods.run(other, { labels: { tier: 'streamed' } });
    const containers: string[] = [];
    const byLabel = newContainerStatsFilter({ label_selector: { tier: 'streamed' } });
    for await (const { container_stats } of runtime.StreamContainerStats({ filter: byLabel }, node.ctx)) {
      containers.push(...container_stats.map(({ attributes }) => attributes?.id ?? ''));
    }
    expect(containers).to.deep.equal([id]);
    const sandboxes: string[] = [];
    const ofPod = newPodSandboxStatsFilter({ label_selector: { app: 'streamed' } });
    for await (const { pod_sandbox_stats } of runtime.StreamPodSandboxStats({ filter: ofPod }, node.ctx)) {
      sandboxes.push(...pod_sandbox_stats.map(({ attributes }) => attributes?.id ?? ''));
    }
    expect(sandboxes).to.deep.equal([other]);
    const metered: string[] = [];
    for await (const { pod_sandbox_metrics } of runtime.StreamPodSandboxMetrics({}, node.ctx)) {
      metered.push(...pod_sandbox_metrics.map(({ pod_sandbox_id: sandboxId }) => sandboxId));
    }
    expect(metered).to.include.members([sandbox, other]);
    await pods.removePod(other);
  });

  it('goes on telling after a restart of the daemon', async () => {
    await node.stop();
    await node.start();
    expect(number((await statsOf(container)).memory?.usage_bytes)).to.be.greaterThan(0);
    expect(number((await podStatsOf(sandbox)).linux?.memory?.usage_bytes)).to.be.greaterThan(0);
    expect(fs.existsSync(node.config.criSocket)).to.equal(true);
  });
});

function gatewayOf(node: RealNode): string {
  return node.config.network.subnet.replace(/\.0\/\d+$/, '.1');
}
