import fs from 'node:fs';
import { expect } from 'chai';
import { createFiles } from '../../../src/host/files.js';
import { matchingBlockDevices } from '../../../src/pods/devices/block-devices.js';
import { newContainerMetadata } from '../../../src/ports/cri/messages.js';
import { PodClient, failure } from '../pod-client.js';
import { startRealNode } from '../real-node.js';
import type { RealNode } from '../real-node.js';

const own = 'io.kubernetes.cri.blockio-class';
const ofPod = 'blockio.resources.beta.kubernetes.io/pod';
const ofContainer = 'blockio.resources.beta.kubernetes.io/container.one';
const v1 = '/sys/fs/cgroup/blkio';

/** Some disk of this machine, whichever it has. */
async function someDisk(): Promise<{ path: string; numbers: string } | undefined> {
  for (const name of fs.readdirSync('/dev')) {
    const [disk] = await matchingBlockDevices(createFiles(), `/dev/${name}`);
    if (disk !== undefined) return { path: `/dev/${name}`, numbers: `${disk.major}:${disk.minor}` };
  }
  return undefined;
}

for (const handler of ['crun', 'runc']) {
  describe(`pods: block I/O of a container (real ${handler})`, () => {
    let node: RealNode;
    let pods: PodClient;
    let sandbox = '';
    let numbers = '';
    before(async function () {
      const disk = await someDisk();
      // The limits are read back from v1's files, and they are for a disk.
      if (disk === undefined || !fs.existsSync(v1)) return this.skip();
      ({ numbers } = disk);
      const limits = (rate: number) => [
        { devices: [disk.path], throttleReadBps: rate, throttleWriteIops: rate + 1 },
      ];
      const blockIoClasses = {
        low: limits(1000),
        high: limits(2000),
        heavy: [{ devices: [disk.path], weight: 60 }],
        absent: [{ devices: ['/dev/no-such-disk*'], throttleReadBps: 1 }],
      };
      node = await startRealNode({ config: { defaultRuntime: handler, blockIoClasses } });
      pods = await PodClient.on(node);
      sandbox = await pods.runPod({ annotations: { [ofPod]: 'low', [ofContainer]: 'high' } });
    });
    after(() => node?.dispose());

    const limitsOf = (id: string) => {
      const group = `${v1}${node.config.cgroupParent}/pod${sandbox}/${id}`;
      const read = (name: string) => fs.readFileSync(`${group}/blkio.throttle.${name}`, 'utf8').trim();
      return [read('read_bps_device'), read('write_iops_device')];
    };

    it('is limited as the class says that an annotation names', async () => {
      const plain = await pods.run(sandbox);
      expect(limitsOf(plain)).to.deep.equal([`${numbers} 1000`, `${numbers} 1001`]);
      const metadata = newContainerMetadata({ name: 'one' });
      expect(limitsOf(await pods.run(sandbox, { metadata }))[0]).to.equal(`${numbers} 2000`);
      const free = await pods.run(sandbox, { annotations: { [own]: '' } });
      expect(limitsOf(free)).to.deep.equal(['', '']);
    });

    it('of a weight that the disk does not take is refused by the annotation', async () => {
      const id = await pods.create(sandbox, { annotations: { [own]: 'heavy' } });
      const error = await pods.start(id).catch((thrown: unknown) => thrown as Error);
      // With a scheduler that knows weights, such as bfq, it is taken.
      if (error === undefined) return;
      expect(error).to.include({ kind: 'unsupported' });
      expect(
        error.message.startsWith(`config.annotations["${own}"]: class "heavy" `),
        error.message,
      ).to.equal(true);
      expect((await pods.status(id)).message).to.include(own);
    });

    it('of a class that the configuration or the machine lacks is refused by the annotation', async () => {
      for (const [name, kind] of [
        ['none', 'not-found'],
        ['absent', 'unsupported'],
      ] as const) {
        const error = await failure(pods.create(sandbox, { annotations: { [own]: name } }));
        expect(error).to.include({ kind });
        expect(error.message.startsWith(`config.annotations["${own}"]: `), error.message).to.equal(true);
      }
      const rdt = 'io.kubernetes.cri.rdt-class';
      if (fs.existsSync('/sys/fs/resctrl/schemata')) return;
      const error = await failure(pods.create(sandbox, { annotations: { [rdt]: 'gold' } }));
      expect(error).to.include({ kind: 'unsupported' });
      expect(error.message).to.include(rdt);
    });
  });
}
