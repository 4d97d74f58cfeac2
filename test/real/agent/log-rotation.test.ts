import fs from 'node:fs';
import path from 'node:path';
import { expect } from 'chai';
import { Dice } from '../../sim/machine/dice.js';
import { countLines, logFilesOf, readLogFile } from '../counted-lines.js';
import type { RealNode } from '../real-node.js';
import { startRealNode, waitFor } from '../real-node.js';
import { AgentClient, shellPod } from './agent-client.js';

const seed = Number(process.env['NODELET_SEED'] ?? '1');
const kills = 3;

/** Counts on both streams, in bursts at full speed, until it is told to stop; then it says how far it got. */
const counting = [
  'c() { i=0; while [ ! -e /stop ]; do seq $((i*1000+1)) $((i*1000+1000)); i=$((i+1)); sleep 0.05; done; echo $((i*1000)) >/$1; }',
  'c out & c err >&2 & wait; exec sleep 100000',
].join('\n');

/** The log that a running container of a pod writes. */
function currentLog(node: RealNode, pod: string, container = 'main'): string {
  const folder =
    fs.readdirSync(node.config.podLogDir).find((name) => name.startsWith(`default_${pod}_`)) ?? '';
  return path.join(node.config.podLogDir, folder, container, '0.log');
}

describe('agent: rotation of logs (real)', () => {
  describe('with many files', () => {
    let node: RealNode;
    let agent: AgentClient;
    let image: string;
    before(async () => {
      node = await startRealNode({
        as: 'child',
        config: { logs: { maxSize: '128Ki', maxFiles: 1000, checkPeriodMs: 200 } },
      });
      agent = new AgentClient(node);
      image = await node.image();
    });
    after(() => node?.dispose());

    /** Lets the container stop counting, and holds its log against how far it says that it got. */
    const expectWhole = async (name: string, log: string) => {
      await agent.exec(name, 'main', 'touch', '/stop');
      const said = async (stream: string) => Number(await agent.exec(name, 'main', 'cat', `/${stream}`));
      await waitFor('its end', async () => (await said('out')) > 0 && (await said('err')) > 0);
      const ends = { stdout: await said('out'), stderr: await said('err') };
      // A rotation may come after the last line: then the log that is being written is empty.
      const rest = () => logFilesOf(log).slice(-2).map(readLogFile).join('');
      await waitFor(
        'the last lines',
        () => rest().includes(`stdout F ${ends.stdout}\n`) && rest().includes(`stderr F ${ends.stderr}\n`),
      );
      for (const [stream, count] of Object.entries(countLines(log))) {
        const last = ends[stream as keyof typeof ends];
        expect(count, `${stream} of ${name}`).to.deep.equal({ first: 1, last, lines: last, breaks: [] });
      }
    };

    it(`loses, doubles and reorders no line while the daemon is killed again and again (seed ${seed})`, async () => {
      const dice = new Dice(seed);
      const names = ['one', 'two'];
      await agent.apply(names.map((name) => shellPod(name, { image, script: counting })).join(''));
      for (const name of names) await agent.ready(name);
      for (let kill = 0; kill < kills; kill += 1) {
        await new Promise((resolve) => setTimeout(resolve, 500 + dice.below(2000)));
        await node.kill();
        await new Promise((resolve) => setTimeout(resolve, dice.below(500)));
        await node.start();
      }
      for (const name of names) {
        await agent.ready(name);
        const log = currentLog(node, name);
        await expectWhole(name, log);
        await waitFor('all but the newest are packed', () => {
          const names = fs.readdirSync(path.dirname(log));
          const plain = names.filter((each) => each.startsWith('0.log.') && !each.endsWith('.gz'));
          return plain.length === 1 && names.length > 20;
        });
        await agent.delete(name, 0);
        expect(fs.existsSync(path.dirname(path.dirname(log))), 'the folder of a deleted pod').to.equal(false);
      }
    });

    it('begins a new log where one was taken away while the daemon was down', async () => {
      await agent.apply(shellPod('moved', { image, script: counting }));
      await agent.ready('moved');
      const log = currentLog(node, 'moved');
      await waitFor('its first lines', () => fs.statSync(log).size > 200);
      await node.kill();
      fs.renameSync(log, `${log}.20200101-000000.000`);
      await node.start();
      await waitFor('a new log', () => fs.existsSync(log) && fs.statSync(log).size > 200);
      await expectWhole('moved', log);
      await agent.delete('moved', 0);
    });
  });

  describe('with few files', () => {
    const maxFiles = 3;
    let node: RealNode;
    let agent: AgentClient;
    before(async () => {
      node = await startRealNode({ config: { logs: { maxSize: '256Ki', maxFiles } } });
      agent = new AgentClient(node);
    });
    after(() => node?.dispose());

    it('bounds what a container takes that prints as fast as it can', async () => {
      const script = 'trap "exit 0" TERM; seq 1 1000000000 & wait';
      await agent.apply(shellPod('flood', { image: await node.image(), script }));
      await agent.ready('flood');
      const log = currentLog(node, 'flood');
      let mostFiles = 0;
      const rotated = new Set<string>();
      while (rotated.size < 6) {
        mostFiles = Math.max(mostFiles, logFilesOf(log).length);
        const last = logFilesOf(log).at(-2)?.replace(/\.gz$/, '');
        if (last !== undefined) rotated.add(last);
        await new Promise((resolve) => setTimeout(resolve, 10));
      }
      // One more while the oldest is about to go. How much each holds is a matter of the machine's pace.
      expect(mostFiles).to.be.at.most(maxFiles + 1);
      await waitFor('few files', () => logFilesOf(log).length <= maxFiles);
      await agent.delete('flood', 0);
    });
  });
});
