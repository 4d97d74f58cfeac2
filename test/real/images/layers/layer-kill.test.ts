import { spawn } from 'node:child_process';
import fs from 'node:fs';
import { fileURLToPath } from 'node:url';
import { expect } from 'chai';
import { LayerBench } from './layer-bench.js';
import { slowDiffId, startStore } from './layer-child.js';

const kills = 20;

describe('images: a daemon that is killed while it unpacks (real file system)', () => {
  let bench: LayerBench;
  before(() => {
    bench = new LayerBench();
  });
  after(() => bench.remove());

  /** Kills the child when `when` resolves; tells how long it took from its beginning to its end, or to the kill. */
  async function run(root: string, afterMs: number | undefined): Promise<number> {
    const child = spawn(
      process.execPath,
      [fileURLToPath(new URL('./layer-child.js', import.meta.url)), root],
      {
        stdio: ['ignore', 'pipe', 'inherit'],
      },
    );
    const ended = new Promise((resolve) => child.once('exit', resolve));
    let begun = 0;
    await new Promise<void>((resolve) => {
      child.stdout.on('data', (text: Buffer) => {
        if (text.includes('begun')) {
          begun = performance.now();
          if (afterMs !== undefined) setTimeout(resolve, afterMs);
        }
        if (text.includes('done')) resolve();
      });
    });
    const took = performance.now() - begun;
    child.kill('SIGKILL');
    await ended;
    return took;
  }

  it('leaves no layer or a whole one, wherever it was', async () => {
    const wholeMs = await run(`${bench.dir}/whole`, undefined);
    const outcomes = { none: 0, whole: 0 };
    for (let kill = 0; kill < kills; kill += 1) {
      const root = `${bench.dir}/kill-${kill}`;
      await run(root, (wholeMs * 1.2 * kill) / kills);
      const { store, close } = await startStore(root);
      const verdict = await store.verify(slowDiffId, new AbortController().signal);
      const names = fs.readdirSync(`${root}/layers`);
      if (verdict.state === 'missing') {
        expect(names, 'what was half made is gone').to.deep.equal([]);
        outcomes.none += 1;
      } else {
        expect(verdict).to.deep.equal({ state: 'whole' });
        expect(names).to.have.lengthOf(3);
        outcomes.whole += 1;
      }
      await close();
    }
    expect(outcomes.none, 'some were killed in the middle').to.be.greaterThan(0);
  });
});
