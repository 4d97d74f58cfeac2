import type { Duplex } from 'node:stream';
import { expect } from 'chai';
import type { ContractFactory, ContractWorld } from './contract.js';
import { declareContract, outcomeOf } from './contract.js';

const port = 7100;
const netnsOf = ({ dir }: ContractWorld) => `${dir}/netns/pod`;

async function withNetns(world: ContractWorld): Promise<string> {
  await world.host.namespaces.createNet(netnsOf(world));
  return netnsOf(world);
}

/** All chunks that come, once the other side has ended. */
async function chunksOf(connection: Duplex): Promise<string[]> {
  const chunks: string[] = [];
  connection.on('data', (chunk: Buffer) => chunks.push(chunk.toString()));
  await new Promise((resolve) => connection.once('end', resolve));
  return chunks;
}

export function connectionsContract(factory: ContractFactory): void {
  declareContract('local connections', factory, {
    'reaches who listens in a namespace on either loopback address, and carries both ways to their ends':
      async (world) => {
        const netnsPath = await withNetns(world);
        for (const [index, address] of (['127.0.0.1', '::1'] as const).entries()) {
          await world.listen({ netnsPath, address, port: port + index });
          const connection = await world.host.connections.toLoopback({ netnsPath, port: port + index });
          // What comes back after the end of this direction shows that each ends on its own.
          connection.end('over and out');
          expect((await chunksOf(connection)).join('')).to.equal('over and out');
          connection.destroy();
        }
      },
    'refuses where nobody listens, though somebody does in another namespace': async (world) => {
      const netnsPath = await withNetns(world);
      const other = `${world.dir}/netns/other`;
      await world.host.namespaces.createNet(other);
      await world.listen({ netnsPath: other, address: '127.0.0.1', port });
      const { connections } = world.host;
      const refused: unknown = await connections
        .toLoopback({ netnsPath, port })
        .catch((thrown: unknown) => thrown);
      expect(refused).to.include({
        kind: 'unavailable',
        message: `connection refused: nothing listens on port ${port} (ECONNREFUSED)`,
      });
    },
    'says of a namespace that is gone that it is': async (world) => {
      const netnsPath = await withNetns(world);
      await world.host.namespaces.removeNet(netnsPath);
      const { connections } = world.host;
      expect(await outcomeOf(connections.toLoopback({ netnsPath, port }))).to.equal('not-found');
    },
    'keeps packets whole both ways, at a path longer than an address holds': async (world) => {
      const path = `${world.dir}/${'long/'.repeat(30)}attach`;
      await world.host.files.makeDir(path.slice(0, path.lastIndexOf('/')));
      await world.listen({ packets: path });
      const connection = await world.host.connections.toPackets(path);
      const received = chunksOf(connection);
      const sent = ['one', 'two', 'x'.repeat(16 * 1024)];
      for (const packet of sent) connection.write(packet);
      connection.end();
      expect(await received).to.deep.equal(sent);
      connection.destroy();
    },
    'refuses packets where nobody listens, and where there is no folder': async (world) => {
      const { connections } = world.host;
      for (const path of [`${world.dir}/nobody`, `${world.dir}/no/folder`])
        expect(await outcomeOf(connections.toPackets(path)), path).to.equal('unavailable');
    },
  });
}
