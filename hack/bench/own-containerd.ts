import fs from 'node:fs';
import path from 'node:path';
import { connect } from './connect.js';
import { lookAround, removeContainerdLeftovers } from './containerd-leftovers.js';
import { runTool, startDaemon } from './processes.js';
import type { BenchRegistry } from './registry.js';
import type { RuntimeUnderTest } from './runtime-under-test.js';
import type { Workshop } from './workshop.js';
import { randomSubnet } from './workshop.js';

const packages = ['containerd', 'containernetworking-plugins', 'iptables'];

/** Debian's containerd with folders, socket, bridge and cgroup of its own; its packages are installed where they are missing. */
export async function startContainerd(
  shop: Workshop,
  registry: BenchRegistry,
  { image, ociRuntime }: { image: string; ociRuntime: 'runc' | 'crun' },
): Promise<RuntimeUnderTest> {
  console.log(`bench: packages ${packages.join(', ')}`);
  await runTool('hack/setup', ...packages);
  const dir = path.join(shop.dir, 'containerd');
  const stateDir = path.join(shop.runDir, 'containerd');
  const bridge = `nlp${shop.id}`;
  const cgroup = `nodelet-bench-${shop.id}-peer`;
  const config = path.join(dir, 'config.toml');
  const socketPath = `${stateDir}/containerd.sock`;
  fs.mkdirSync(`${dir}/cni`, { recursive: true });
  fs.writeFileSync(`${dir}/cni/10-bench.conflist`, networkConfig(bridge, `${stateDir}/addresses`));
  fs.writeFileSync(
    config,
    `version = 2
root = "${dir}/root"
state = "${stateDir}"
[grpc]
  address = "${socketPath}"
[ttrpc]
  address = "${socketPath}.ttrpc"
[plugins."io.containerd.internal.v1.opt"]
  path = "${dir}/opt"
[plugins."io.containerd.grpc.v1.cri"]
  sandbox_image = "${registry.pauseImage}"
  restrict_oom_score_adj = true
  netns_mounts_under_state_dir = true
  stream_server_address = "127.0.0.1"
  stream_server_port = "0"
  [plugins."io.containerd.grpc.v1.cri".cni]
    bin_dir = "/usr/lib/cni"
    conf_dir = "${dir}/cni"
  [plugins."io.containerd.grpc.v1.cri".registry.mirrors."${registry.host}"]
    endpoint = ["http://${registry.host}"]
  [plugins."io.containerd.grpc.v1.cri".containerd]
    snapshotter = "overlayfs"
    default_runtime_name = "bench"
    [plugins."io.containerd.grpc.v1.cri".containerd.runtimes.bench]
      runtime_type = "io.containerd.runc.v2"
      [plugins."io.containerd.grpc.v1.cri".containerd.runtimes.bench.options]
        BinaryName = "${ociRuntime}"
        Root = "${stateDir}/oci"
`,
  );
  const before = await lookAround();
  shop.undo.push('what containerd left', () =>
    removeContainerdLeftovers({ before, bridge, cgroup, stateDir, socketPath }),
  );
  const runtime = connect({ name: 'containerd', socketPath, image, cgroupParent: `/${cgroup}` }, shop);
  const argv = ['containerd', '--config', config];
  const daemon = await startDaemon(argv, path.join(shop.dir, 'containerd.log'), runtime.ready);
  shop.undo.push('containerd daemon', daemon.stop);
  const prepared = await runtime.prepare(daemon.pid);
  return { ...prepared, version: `${prepared.version} with ${ociRuntime}` };
}

/** What containerd's own documentation sets up: bridge, masquerade, addresses by host-local, and host ports. */
function networkConfig(bridge: string, dataDir: string): string {
  return JSON.stringify({
    cniVersion: '1.0.0',
    name: bridge,
    plugins: [
      {
        type: 'bridge',
        bridge,
        isGateway: true,
        ipMasq: true,
        hairpinMode: true,
        ipam: {
          type: 'host-local',
          dataDir,
          ranges: [[{ subnet: randomSubnet() }]],
          routes: [{ dst: '0.0.0.0/0' }],
        },
      },
      { type: 'portmap', capabilities: { portMappings: true } },
    ],
  });
}
