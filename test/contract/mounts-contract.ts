import { expect } from 'chai';
import type { ContractFactory, ContractWorld } from './contract.js';
import { declareContract, outcomeOf } from './contract.js';

const targets = async ({ host, dir }: ContractWorld) =>
  (await host.mounts.list(dir)).map(({ target, fsType }) => `${fsType} ${target.slice(dir.length)}`);

/** Folders of an overlay over two lowers; the topmost lower is `top`. */
async function overlayDirs({ host: { files }, dir }: ContractWorld) {
  for (const name of ['top', 'base', 'upper', 'work', 'root']) await files.makeDir(`${dir}/${name}`);
  await files.writeAtomic(`${dir}/base/both`, 'from base');
  await files.writeAtomic(`${dir}/top/both`, 'from top');
  await files.writeAtomic(`${dir}/base/only`, 'from base');
  const lowers = [`${dir}/top`, `${dir}/base`];
  return { target: `${dir}/root`, lowers, upper: `${dir}/upper`, work: `${dir}/work` };
}

export function mountsContract(factory: ContractFactory): void {
  declareContract('mounts', factory, {
    'unmounts what is not mounted': async ({ host: { mounts, files }, dir }) => {
      await mounts.unmount(`${dir}/absent`);
      await files.makeDir(`${dir}/plain`);
      await mounts.unmount(`${dir}/plain`);
    },
    'shows the layers of an overlay, the topmost first, and keeps writes apart': async (world) => {
      const { mounts, files } = world.host;
      const overlay = await overlayDirs(world);
      await mounts.overlay(overlay);
      const read = async (name: string) => (await files.read(`${world.dir}/${name}`))?.toString();
      expect([await read('root/both'), await read('root/only')]).to.deep.equal(['from top', 'from base']);
      await files.writeAtomic(`${world.dir}/root/both`, 'written');
      expect([await read('root/both'), await read('upper/both'), await read('top/both')]).to.deep.equal([
        'written',
        'written',
        'from top',
      ]);
      expect(await targets(world)).to.deep.equal(['overlay /root']);
      await mounts.unmount(overlay.target);
      expect(await files.list(overlay.target)).to.deep.equal([]);
    },
    'refuses a target that is not there': async (world) => {
      const overlay = await overlayDirs(world);
      const { mounts } = world.host;
      const target = `${world.dir}/absent`;
      expect(await outcomeOf(mounts.overlay({ ...overlay, target }))).to.equal('tool-failed');
      expect(await outcomeOf(mounts.tmpfs(target, { sizeBytes: 0, mode: 0o755 }))).to.equal('tool-failed');
      expect(await outcomeOf(mounts.bind(world.dir, target))).to.equal('tool-failed');
      expect(await targets(world)).to.deep.equal([]);
    },
    'covers a folder with a tmpfs, whose files go with it': async (world) => {
      const { mounts, files } = world.host;
      await files.writeAtomic(`${world.dir}/shm/below`, 'x');
      await mounts.tmpfs(`${world.dir}/shm`, { sizeBytes: 1024 * 1024, mode: 0o1777 });
      expect(await files.list(`${world.dir}/shm`)).to.deep.equal([]);
      expect(await files.stat(`${world.dir}/shm`)).to.include({ mode: 0o1777 });
      await files.writeAtomic(`${world.dir}/shm/above`, 'x');
      await mounts.unmount(`${world.dir}/shm`);
      expect(await files.list(`${world.dir}/shm`)).to.deep.equal(['below']);
    },
    'takes the topmost of two mounts at one target away first': async (world) => {
      const { mounts, files } = world.host;
      await files.makeDir(`${world.dir}/at`);
      for (const name of ['first', 'second']) {
        await mounts.tmpfs(`${world.dir}/at`, { sizeBytes: 0, mode: 0o755 });
        await files.writeAtomic(`${world.dir}/at/${name}`, '');
      }
      expect(await files.list(`${world.dir}/at`)).to.deep.equal(['second']);
      await mounts.unmount(`${world.dir}/at`);
      expect(await files.list(`${world.dir}/at`)).to.deep.equal(['first']);
      await mounts.unmount(`${world.dir}/at`);
      expect(await targets(world)).to.deep.equal([]);
    },
    'shows a folder or a file in a second place': async (world) => {
      const { mounts, files } = world.host;
      await files.writeAtomic(`${world.dir}/from/file`, 'same');
      await files.writeAtomic(`${world.dir}/onfile`, 'covered');
      await files.makeDir(`${world.dir}/ondir`);
      await mounts.bind(`${world.dir}/from`, `${world.dir}/ondir`);
      await mounts.bind(`${world.dir}/from/file`, `${world.dir}/onfile`);
      expect((await files.read(`${world.dir}/ondir/file`))?.toString()).to.equal('same');
      expect((await files.read(`${world.dir}/onfile`))?.toString()).to.equal('same');
      await mounts.unmount(`${world.dir}/ondir`);
      await mounts.unmount(`${world.dir}/onfile`);
      expect((await files.read(`${world.dir}/onfile`))?.toString()).to.equal('covered');
    },
    'shows a folder with its owners mapped, and leaves the folder itself as it is': async (world) => {
      const { mounts, files } = world.host;
      await files.writeAtomic(`${world.dir}/from/file`, 'x');
      await files.writeAtomic(`${world.dir}/from/other`, 'x');
      await files.setOwner(`${world.dir}/from/other`, { uid: 7, gid: 8 });
      await files.makeDir(`${world.dir}/mapped`);
      const range = { containerId: 0, hostId: 70_000, length: 1000 };
      const idMapping = { uids: range, gids: { ...range, hostId: 80_000 } };
      await mounts.bind(`${world.dir}/from`, `${world.dir}/mapped`, { idMapping });
      const owner = async (path: string) => {
        const stat = await files.stat(`${world.dir}/${path}`);
        return [stat?.uid, stat?.gid];
      };
      expect(await owner('mapped/file')).to.deep.equal([70_000, 80_000]);
      expect(await owner('mapped/other')).to.deep.equal([70_007, 80_008]);
      expect(await owner('from/other')).to.deep.equal([7, 8]);
      await mounts.unmount(`${world.dir}/mapped`);
      expect(await files.list(`${world.dir}/mapped`)).to.deep.equal([]);
    },
    'gives a tmpfs to an owner': async (world) => {
      const { mounts, files } = world.host;
      await files.makeDir(`${world.dir}/shm`);
      const owner = { uid: 5, gid: 6 };
      await mounts.tmpfs(`${world.dir}/shm`, { sizeBytes: 0, mode: 0o1777, owner });
      expect(await files.stat(`${world.dir}/shm`)).to.include(owner);
      await mounts.unmount(`${world.dir}/shm`);
    },
    'lists only what is at or under a prefix': async (world) => {
      const { mounts, files } = world.host;
      for (const name of ['ab', 'abc']) {
        await files.makeDir(`${world.dir}/${name}`);
        await mounts.tmpfs(`${world.dir}/${name}`, { sizeBytes: 0, mode: 0o755 });
      }
      expect((await mounts.list(`${world.dir}/ab`)).map(({ target }) => target)).to.deep.equal([
        `${world.dir}/ab`,
      ]);
    },
  });
}
