import fs from 'node:fs';
import net from 'node:net';
import { expect } from 'chai';
import type { RealNode } from '../real-node.js';
import { startRealNode } from '../real-node.js';
import { cli, cliArgv, watch } from './nodelet-cli.js';

describe('nodelet serve and teardown exclude each other (real)', () => {
  let node: RealNode;
  before(async () => {
    node = await startRealNode({ as: 'child' });
  });
  after(() => node?.dispose());

  for (const command of ['serve', 'teardown'])
    it(`refuses a ${command} beside a daemon, naming its process`, async () => {
      const config = `${node.dir}/config.yaml`;
      const { done } = await watch({ argv: cliArgv(node, command, '--config', config), stdin: false });
      const { exitCode, stderr } = await done;
      const pid = fs.readFileSync(`${node.config.rootDir}/lock`, 'utf8').trim();
      expect(fs.readFileSync(`/proc/${pid}/cmdline`, 'utf8')).to.contain(config);
      expect(exitCode).to.equal(1);
      expect(stderr).to.contain(`another nodelet (process ${pid}) works in ${node.config.rootDir}`);
      expect((await cli(node, ['get', 'pods'])).exitCode).to.equal(0);
    });

  it('ends a daemon whose port is taken, and says which', async () => {
    const server = net.createServer();
    await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
    const { port } = server.address() as net.AddressInfo;
    await node.stop();
    const flags = ['--config', `${node.dir}/config.yaml`, '--metrics-address', `127.0.0.1:${port}`];
    const { done } = await watch({ argv: cliArgv(node, 'serve', ...flags), stdin: false });
    const { exitCode, stderr } = await done;
    await new Promise((resolve) => server.close(resolve));
    expect(exitCode).to.equal(1);
    expect(stderr).to.contain(`127.0.0.1:${port}`);
    await node.start();
  });

  it('lets the next daemon in after the last was killed', async () => {
    await node.kill();
    await node.start();
    expect((await cli(node, ['get', 'pods'])).stderr).to.equal('No pods found in namespace default.\n');
  });
});
