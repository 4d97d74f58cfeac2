import fs from 'node:fs';
import path from 'node:path';
import { freePort, runTool, startDaemon } from './processes.js';
import type { Workshop } from './workshop.js';

export interface BenchRegistry {
  /** `127.0.0.1:PORT`, plain http. */
  host: string;
  /** A busybox, under a megabyte packed. */
  image: string;
  /** The same pause binary that nodelet embeds, for runtimes that pull theirs. */
  pauseImage: string;
}

const applets = ['cat', 'dd', 'nc', 'sh', 'sleep', 'true'];

/** docker-registry on a free loopback port, with the two images of the benchmark. */
export async function startRegistry(shop: Workshop): Promise<BenchRegistry> {
  const host = `127.0.0.1:${await freePort()}`;
  const argv = ['hack/serve-registry', host, path.join(shop.dir, 'registry')];
  const daemon = await startDaemon(argv, path.join(shop.dir, 'registry.log'), () =>
    fetch(`http://${host}/v2/`),
  );
  shop.undo.push('registry', daemon.stop);

  const busybox = path.join(shop.dir, 'images/busybox');
  fs.mkdirSync(`${busybox}/bin`, { recursive: true });
  for (const dir of ['tmp', 'etc', 'proc', 'sys', 'dev']) fs.mkdirSync(`${busybox}/${dir}`);
  fs.copyFileSync('/bin/busybox', `${busybox}/bin/busybox`);
  for (const applet of applets) fs.symlinkSync('busybox', `${busybox}/bin/${applet}`);
  fs.writeFileSync(`${busybox}/etc/passwd`, 'root:x:0:0:root:/:/bin/sh\n');
  fs.writeFileSync(`${busybox}/etc/group`, 'root:x:0:\n');
  const image = `${host}/bench:1`;
  await push(busybox, image, 'sh');

  const pause = path.join(shop.dir, 'images/pause');
  fs.mkdirSync(pause);
  fs.copyFileSync('/usr/bin/catatonit', `${pause}/pause`);
  const pauseImage = `${host}/pause:1`;
  await push(pause, pauseImage, '/pause', '-P');
  return { host, image, pauseImage };
}

async function push(rootfs: string, reference: string, ...command: string[]): Promise<void> {
  await runTool(process.execPath, 'hack/push-image.mjs', rootfs, reference, ...command);
}
