import { spawn } from 'node:child_process';
import { once } from 'node:events';
import fs from 'node:fs';
import os from 'node:os';
import path from 'node:path';
import { expect } from 'chai';
import type { RuntimeReport } from '../../../hack/bench/measure.js';
import { execs, flows, listings, operations, percentile } from '../../../hack/bench/samples.js';
import { repositoryDir } from '../test-registry.js';

interface Result {
  run: string;
  runtimes: RuntimeReport[];
  ratios: unknown[];
  leftBehind: string[];
}

/** Everything on the machine that bears the name of a run. */
function tracesOf(run: string): string[] {
  const mounts = fs.readFileSync('/proc/self/mountinfo', 'utf8').split('\n');
  const groups = fs.readdirSync('/sys/fs/cgroup').flatMap((name) => {
    const dir = `/sys/fs/cgroup/${name}`;
    return fs.statSync(dir).isDirectory() ? fs.readdirSync(dir) : [];
  });
  const links = fs.readdirSync('/sys/class/net');
  return [...mounts, ...groups, ...links, ...fs.readdirSync(os.tmpdir())].filter((line) =>
    line.includes(run),
  );
}

describe('bench: the quick run (real node)', () => {
  let dir = '';
  beforeEach(() => {
    dir = fs.mkdtempSync(path.join(os.tmpdir(), 'nodelet-bench-test-'));
  });
  afterEach(() => fs.rmSync(dir, { recursive: true }));

  /** Runs it to its end; `interruptAt` sends SIGINT when its output holds that text. */
  async function bench(args: string[], interruptAt?: string) {
    const json = `${dir}/result.json`;
    const argv = [path.join(repositoryDir, 'dist/hack/bench/bench.js'), '--json', json, ...args];
    const child = spawn(process.execPath, argv, { cwd: repositoryDir, stdio: ['ignore', 'pipe', 'pipe'] });
    let output = '';
    let text = interruptAt;
    for (const stream of [child.stdout, child.stderr]) {
      stream.on('data', (chunk: Buffer) => {
        output += chunk.toString();
        if (text === undefined || !output.includes(text)) return;
        text = undefined;
        child.kill('SIGINT');
      });
    }
    const [exitCode] = (await once(child, 'close')) as [number];
    return { exitCode, output, json };
  }

  it('measures every operation, tells it as a table and as JSON, and leaves nothing behind', async () => {
    const { exitCode, output, json } = await bench(['--quick']);
    expect(exitCode, output).to.equal(0);
    const result = JSON.parse(fs.readFileSync(json, 'utf8')) as Result;
    expect(result.runtimes.map(({ name }) => name)).to.deep.equal(['nodelet']);
    const [report] = result.runtimes;
    for (const series of [report?.cycles?.oneAtATime, report?.cycles?.inFlight]) {
      for (const operation of operations) {
        const summary = series?.operations[operation];
        expect(summary?.count, operation).to.be.greaterThan(0);
        expect(summary?.p50Ms, operation).to.be.greaterThan(0);
        expect(summary?.p95Ms, operation).to.be.at.least(summary?.p50Ms ?? Infinity);
        expect(output).to.match(new RegExp(`^  ${operation.replace('+', '\\+')} \\(ms\\) +\\d`, 'm'));
      }
      expect(series?.cyclesPerSecond).to.be.greaterThan(0);
    }
    for (const exec of execs) {
      expect(report?.execs?.execs[exec].count, exec).to.equal(3);
      expect(report?.execs?.execs[exec].p50Ms, exec).to.be.greaterThan(0);
    }
    for (const flow of flows) {
      const told = report?.streams?.flows[flow];
      expect(told?.bytes, flow).to.equal(flow === 'attach out' ? 2 ** 20 : 2 ** 24);
      expect(told?.mbPerSecond, flow).to.be.greaterThan(0);
      expect(told?.growthMb, flow).to.be.at.least(0);
      expect(output).to.match(new RegExp(`^  ${flow} \\(MB/s\\) +\\d`, 'm'));
    }
    expect(report?.streams?.connecting.count).to.equal(3);
    const lists = report?.lists;
    const [idle] = lists?.listings ?? [];
    expect(idle?.pods).to.equal(2);
    for (const listing of listings) {
      expect(idle?.listings[listing].count, listing).to.be.greaterThan(0);
      expect(output).to.match(new RegExp(`^  ${listing} \\(ms\\) +\\d`, 'm'));
    }
    expect(lists?.memory.daemonPssMb).to.be.greaterThan(1);
    expect(Object.keys(lists?.memory.helpers ?? {}).sort()).to.deep.equal(['conmon', 'pause']);
    expect(lists?.memory.helpersPssMbPerPod).to.be.within(0.01, 2);
    expect(result.leftBehind.filter((line) => line.includes(result.run))).to.deep.equal([]);
    expect(tracesOf(result.run)).to.deep.equal([]);
  });

  it('measures one group alone', async () => {
    const { exitCode, output, json } = await bench(['--quick', '--only', 'execs']);
    expect(exitCode, output).to.equal(0);
    const { runtimes } = JSON.parse(fs.readFileSync(json, 'utf8')) as Result;
    const { name, version, ...parts } = runtimes[0] as RuntimeReport;
    expect({ name, version: version.split(' ')[0], parts: Object.keys(parts) }).to.deep.equal({
      name: 'nodelet',
      version: 'nodelet',
      parts: ['execs'],
    });
    expect(output)
      .to.include('Exec (ms)')
      .and.not.to.include('RunPodSandbox')
      .and.not.to.include('ListContainers');
  });

  it('takes everything back when it is interrupted', async () => {
    const { exitCode, output } = await bench(['--quick', '--rounds', '1000'], 'round 2');
    expect(exitCode).to.equal(1);
    expect(output).to.include('ended by SIGINT');
    const run = /run ([0-9a-f]{6}) in/.exec(output)?.[1] ?? 'no run named';
    expect(tracesOf(run)).to.deep.equal([]);
    expect(output).not.to.include('clean-up of');
  });

  it('refuses what it does not know, before it does anything', async () => {
    for (const args of [
      ['--peer', 'docker'],
      ['--rounds', 'many'],
      ['--pods', 'few'],
      ['--only', 'lists,pods'],
      ['--quik'],
    ]) {
      const { exitCode, output } = await bench(args);
      expect({ exitCode, named: output.includes(args.at(-1) ?? '') }).to.deep.equal({
        exitCode: 2,
        named: true,
      });
    }
  });
});

describe('bench: percentiles', () => {
  it('are the samples at the nearest rank', () => {
    const sorted = [1, 2, 3, 4, 5, 6, 7, 8, 9, 10];
    expect([percentile(sorted, 0.5), percentile(sorted, 0.95), percentile([7], 0.5)]).to.deep.equal([
      5, 10, 7,
    ]);
  });
});
