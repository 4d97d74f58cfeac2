import fs from 'node:fs';
import path from 'node:path';
import { connect } from './connect.js';
import { runTool, freePort, startDaemon } from './processes.js';
import type { RuntimeUnderTest } from './runtime-under-test.js';
import type { Workshop } from './workshop.js';
import { randomSubnet } from './workshop.js';

const hugetlb = '/sys/fs/cgroup/hugetlb';
const program = 'bin/nodelet.js';

/** A nodelet of this clone, with folders, bridge, table, cgroup and port of its own. */
export async function startNodelet(shop: Workshop, image: string): Promise<RuntimeUnderTest> {
  const config = path.join(shop.dir, 'nodelet.yaml');
  const runDir = path.join(shop.runDir, 'nodelet');
  const cgroup = `nodelet-bench-${shop.id}`;
  fs.writeFileSync(
    config,
    `rootDir: ${shop.dir}/nodelet
runDir: ${runDir}
manifestDir: ${shop.dir}/manifests
podLogDir: ${shop.dir}/agent-logs
metricsAddress: 127.0.0.1:${await freePort()}
cgroupParent: /${cgroup}
network:
  bridge: nlb${shop.id}
  subnet: ${randomSubnet()}
  table: nlb${shop.id}
`,
  );
  if (!isMountPoint(hugetlb)) {
    // nodelet mounts it where it is stranded, so that crun runs, and leaves it to the next start.
    shop.undo.push('hugetlb hierarchy', async () => {
      if (!isMountPoint(hugetlb)) return;
      await runTool('umount', hugetlb);
      fs.rmdirSync(hugetlb);
    });
  }
  const socketPath = `${runDir}/nodelet.sock`;
  // Undone even where the start fails halfway.
  shop.undo.push('nodelet', async () => {
    await runTool(process.execPath, program, 'teardown', '--config', config, '--log-level', 'error');
  });
  const runtime = connect({ name: 'nodelet', socketPath, image, cgroupParent: '' }, shop);
  const argv = [process.execPath, program, 'serve', '--config', config];
  const daemon = await startDaemon(argv, path.join(shop.dir, 'nodelet.log'), runtime.ready);
  shop.undo.push('nodelet daemon', daemon.stop);
  return runtime.prepare(daemon.pid);
}

function isMountPoint(target: string): boolean {
  return fs.readFileSync('/proc/self/mountinfo', 'utf8').includes(` ${target} `);
}
