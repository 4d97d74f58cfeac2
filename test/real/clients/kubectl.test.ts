import { createHash, randomBytes } from 'node:crypto';
import { once } from 'node:events';
import fs from 'node:fs';
import net from 'node:net';
import { expect } from 'chai';
import type { Watched } from '../cli/nodelet-cli.js';
import { watch } from '../cli/nodelet-cli.js';
import { waitFor } from '../real-node.js';
import { ClientWorld, echoPort, refusedPort } from './client-world.js';
import { Kubectl, missing } from './kubectl.js';
import type { KubectlWay } from './kubectl.js';
import { ask, askAtOnce } from './tcp-client.js';

const ways: KubectlWay[] = [
  { version: '1.20.2', protocol: 'SPDY' },
  { version: '1.35.2', protocol: 'SPDY' },
  { version: '1.35.2', protocol: 'WebSocket' },
];
const megabyte = 1024 * 1024;
const sha256 = (data: Buffer) => createHash('sha256').update(data).digest('hex');

describe('kubectl: a real client of all streams', () => {
  let world: ClientWorld;
  const running: Watched[] = [];
  before(async () => {
    world = await ClientWorld.start({ attachers: ways.length });
  });
  afterEach(async () => {
    for (const { process } of running) process.kill();
    await Promise.all(running.splice(0).map(({ done }) => done));
  });
  after(() => world?.dispose());

  for (const [number, way] of ways.entries())
    describe(`${way.version} over ${way.protocol}`, () => {
      const reason = missing(way);
      if (reason !== undefined) return void it.skip(reason);
      let kubectl: Kubectl;
      before(() => {
        kubectl = new Kubectl(way, world);
      });
      const start = async (...args: Parameters<Kubectl['start']>): Promise<Watched> => {
        const started = await kubectl.start(...args);
        running.push(started);
        return started;
      };
      /** Types until it has come back: what is printed before the attachment stands is for the log alone. */
      const echoed = ({ process, stdout }: Watched, word: string) =>
        waitFor(`the echo of ${word}`, () => {
          process.stdin?.write(`${word}\n`);
          return stdout().includes(`got ${word}`);
        });

      it('finds its way: lists pods by label, shows one, and prints a log', async () => {
        expect((await kubectl.run(['get', 'pods', '-A', '-l', 'app=box', '-o', 'name'])).stdout).to.equal(
          'pod/box\n',
        );
        const phase = await kubectl.run(['get', 'pod', 'box', '-o', 'jsonpath={.status.phase}']);
        expect(phase).to.include({ stdout: 'Running', exitCode: 0 });
        expect((await kubectl.run(['logs', 'bridge'])).exitCode).to.equal(0);
      });

      it('reads logs by the lines, times and bytes that are asked for, and follows them', async () => {
        const logs = async (...args: string[]) => (await kubectl.run(['logs', 'chat', ...args])).stdout;
        // More than two seconds' worth: kubectl cuts a time to its second.
        await waitFor('some lines', async () => (await logs('--tail=25')).split('\n').length === 26);
        expect(await logs('--limit-bytes=8')).to.equal('line 1\nl');
        expect(await logs('-c', 'main', '--since=1h', '--limit-bytes=7')).to.equal('line 1\n');
        const timed = await logs('--timestamps', '--tail=1');
        expect(timed).to.match(/^\d{4}-\d\d-\d\dT\S+ line \d+\n$/);
        const [time = '', , number = ''] = timed.trim().split(' ');
        const since = (await logs(`--since-time=${time}`)).split('\n');
        expect(since).to.include(`line ${number}`).and.not.to.include('line 1');
        expect((await kubectl.run(['logs', 'chat', '-p'])).exitCode).to.equal(1);
        const all = await kubectl.run(['logs', '-l', 'app=chat', '--all-containers', '--prefix', '--tail=1']);
        expect(all.stdout).to.match(/^\[pod\/chat\/main\] line \d+\n$/);
        const follower = await start(['logs', '-f', '--tail=1', 'chat']);
        await waitFor('more lines', () => follower.stdout().split('\n').length > 5);
      });

      it('runs a command: stdin to its end, both outputs apart, the exit code', async () => {
        const { stdout, stderr, exitCode } = await kubectl.run(
          ['exec', '-i', 'box', '--', 'sh', '-c', 'cat; echo bad >&2; exit 7'],
          'hello\n',
        );
        expect([stdout, exitCode]).to.deep.equal(['hello\n', 7]);
        expect(stderr).to.match(/^bad\ncommand terminated with exit code 7/);
      });

      it('says that a command is not there', async () => {
        const { stderr, exitCode } = await kubectl.run(['exec', 'box', '--', 'no-such-program']);
        expect(stderr).to.match(/the command can't be run: .*no-such-program/);
        expect(exitCode).to.equal(1);
      });

      it('carries 10 MiB there and back whole', async () => {
        const data = randomBytes(10 * megabyte);
        const file = `${world.node.dir}/random`;
        fs.writeFileSync(file, data);
        const words = kubectl.argv('exec', '-i', 'box', '--', 'cat').map((word) => `'${word}'`);
        const line = `${words.join(' ')} < ${file} | sha256sum`;
        const { done } = await watch({ argv: ['sh', '-c', line], stdin: false });
        expect((await done).stdout).to.contain(sha256(data));
      });

      it('leaves no process behind when it is killed', async () => {
        const seconds = 4700 + number;
        const client = await start(['exec', '-i', 'box', '--', 'sh', '-c', `sleep ${seconds} & wait`]);
        await waitFor('the command', () => world.sleeps(seconds));
        client.process.kill();
        await waitFor('its end', async () => !(await world.sleeps(seconds)));
      });

      it('has a terminal: its size, a new size, the exit code', async () => {
        const { process, stdout } = await start(['exec', '-it', 'box', '--', 'sh'], {
          columns: 90,
          rows: 10,
        });
        await waitFor('the prompt', () => stdout().includes('# '));
        process.stdin?.write("trap 'stty size' WINCH; stty size; while :; do sleep 0.1; done\r");
        await waitFor('the size', () => stdout().includes('10 90'));
        process.resize({ columns: 120, rows: 33 });
        await waitFor('the new size', () => stdout().includes('33 120'));
        process.stdin?.write('\x03');
        await waitFor('the prompt after Ctrl-C', () => {
          process.stdin?.write("echo in''terrupted\r");
          return stdout().includes('interrupted');
        });
        process.stdin?.write('exit 5\r');
        expect(await process.exited).to.equal(5);
      });

      it('attaches two at once to a container that goes on without them', async () => {
        const word = (name: string) => `${name}-${number}`;
        const one = await start(['attach', '-i', 'talk', '-c', 'main']);
        const two = await start(['attach', '-i', 'talk', '-c', 'main']);
        await echoed(one, word('one'));
        await echoed(two, word('two'));
        await waitFor('what the other hears', () => one.stdout().includes(`got ${word('two')}`));
        for (const { process } of [one, two]) process.kill();
        const three = await start(['attach', '-i', 'talk', '-c', 'main']);
        await echoed(three, word('three'));
        expect(three.stdout()).not.to.contain('ended');
      });

      it('ends a stdin that is open once', async () => {
        const client = await start(['attach', '-i', 'talk', '-c', `once-${number}`]);
        await echoed(client, 'hello');
        client.process.stdin?.end();
        await waitFor('the end of stdin', () => client.stdout().includes('stdin has ended'));
      });

      it("attaches to a container's terminal, with its size", async () => {
        const size = { columns: 91 + number, rows: 11 };
        const { process, stdout } = await start(['attach', '-it', 'talk', '-c', 'terminal'], size);
        await waitFor('the size', () => {
          process.stdin?.write('stty size\r');
          return stdout().includes(`11 ${size.columns}`);
        });
      });

      const forward = async (pod: string, ports: number[]) => {
        const client = await start(['port-forward', `pod/${pod}`, ...ports.map((port) => `:${port}`)]);
        const local = () => [...client.stdout().matchAll(/Forwarding from 127\.0\.0\.1:(\d+) -> (\d+)/g)];
        await waitFor('the local ports', () => local().length === ports.length);
        return {
          client,
          local: (to: number) => Number(local().find((match) => match[2] === String(to))?.[1]),
        };
      };

      for (const network of ['bridge', 'host', 'none'] as const)
        it(`forwards a port into a pod with network ${network}`, async () => {
          const port = world.echoPorts[network];
          const { local } = await forward(network, [port]);
          for (const word of ['one', 'two']) expect(await ask(local(port), word)).to.equal(word);
        });

      it('forwards 50 connections side by side', async () => {
        const { local } = await forward('bridge', [echoPort]);
        const words = Array.from({ length: 50 }, (_, index) => `word ${index} `.repeat(1000));
        expect(await askAtOnce(local(echoPort), words)).to.deep.equal(words);
      });

      it('forwards 50 connections that are opened at once', async () => {
        const server = net.createServer({ allowHalfOpen: true }, (socket) => socket.pipe(socket));
        server.listen(0, '127.0.0.1');
        await once(server, 'listening');
        try {
          const { port } = server.address() as net.AddressInfo;
          const { local } = await forward('host', [port]);
          const words = Array.from({ length: 50 }, (_, index) => `word ${index} `.repeat(1000));
          expect(await Promise.all(words.map((word) => ask(local(port), word)))).to.deep.equal(words);
        } finally {
          server.close();
        }
      });

      it('tells that a forwarded port is refused', async () => {
        const { client, local } = await forward('bridge', [echoPort, refusedPort]);
        expect(await ask(local(refusedPort), 'hello')).to.equal('');
        await waitFor('the error', () =>
          /port 7999 of the pod can't be reached: connection refused: .*ECONNREFUSED/.test(client.stderr()),
        );
      });

      it('copies files both ways', async () => {
        const from = `${world.node.dir}/from-${number}`;
        fs.mkdirSync(`${from}/deep`, { recursive: true });
        fs.writeFileSync(`${from}/deep/data`, randomBytes(3 * megabyte));
        fs.writeFileSync(`${from}/text`, 'some text');
        const place = `/tmp/copied-${number}`;
        const back = `${world.node.dir}/back-${number}`;
        expect((await kubectl.run(['cp', from, `box:${place}`])).exitCode).to.equal(0);
        expect((await kubectl.run(['cp', `box:${place}`, back])).exitCode).to.equal(0);
        for (const name of ['deep/data', 'text'])
          expect(fs.readFileSync(`${back}/${name}`).equals(fs.readFileSync(`${from}/${name}`))).to.equal(
            true,
          );
      });
    });

  it('attaches anew after the daemon was killed and started again', async function () {
    const there = ways.filter((way) => missing(way) === undefined);
    if (there.length === 0) this.skip();
    await world.node.kill();
    await world.node.start();
    for (const [index, way] of there.entries()) {
      const client = await new Kubectl(way, world).start(['attach', '-i', 'talk', '-c', 'main']);
      running.push(client);
      await waitFor('the echo', () => {
        client.process.stdin?.write(`again-${index}\n`);
        return client.stdout().includes(`got again-${index}`);
      });
    }
  });
});
