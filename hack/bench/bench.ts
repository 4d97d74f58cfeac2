import fs from 'node:fs';
import os from 'node:os';
import { setTimeout as sleep } from 'node:timers/promises';
import { startStreamClient } from './client-process.js';
import { connect } from './connect.js';
import { measure } from './measure.js';
import type { RuntimeReport } from './measure.js';
import { listenerOf } from './memory.js';
import { parseOptions } from './options.js';
import type { BenchOptions } from './options.js';
import { startContainerd } from './own-containerd.js';
import { startNodelet } from './own-nodelet.js';
import { runTool } from './processes.js';
import { startRegistry } from './registry.js';
import { ratiosOf, renderReport } from './report.js';
import type { RuntimeUnderTest } from './runtime-under-test.js';
import { openWorkshop } from './workshop.js';
import type { Workshop } from './workshop.js';

const settleChecks = 40;
const settlePauseMs = 250;

/** `npm run bench`: sets up, measures, prints, and takes everything back, also when it fails or is interrupted. */
async function main(): Promise<void> {
  const options = optionsOrExit();
  if ('help' in options) {
    console.log(options.help);
    return;
  }
  const interrupt = new AbortController();
  for (const signal of ['SIGINT', 'SIGTERM'] as const) {
    process.on(signal, () => interrupt.abort(new Error(`ended by ${signal}`)));
  }
  const before = await machineState();
  const shop = await openWorkshop(interrupt.signal);
  console.log(`bench: run ${shop.id} in ${shop.dir}`);
  let reports: RuntimeReport[] = [];
  try {
    const client = startStreamClient(shop);
    reports = await measure(await startRuntimes(shop, options), client, options);
  } catch (thrown) {
    const reason: unknown = interrupt.signal.aborted ? interrupt.signal.reason : thrown;
    console.error('bench: failed:', reason);
    process.exitCode = 1;
  }
  for (const { description, error } of await shop.undo.unwind()) {
    console.error(`bench: clean-up of ${description}: ${error.message}`);
    process.exitCode = 1;
  }
  const leftBehind = await newSince(before);
  // What bears the run's name is the benchmark's own fault; the rest may be somebody else's, at work at the same time.
  if (leftBehind.some((line) => line.includes(shop.id))) process.exitCode = 1;
  if (reports.length > 0) console.log(`\n${renderReport(reports, options)}`);
  console.log(renderLeftBehind(leftBehind, shop.id));
  if (options.json === undefined || reports.length === 0) return;
  const machine = { kernel: os.release(), cpus: os.cpus().length, node: process.version };
  const ratios = ratiosOf(reports, options);
  const report = { run: shop.id, machine, options, runtimes: reports, ratios, leftBehind };
  fs.writeFileSync(options.json, `${JSON.stringify(report, null, 2)}\n`);
}

function optionsOrExit(): ReturnType<typeof parseOptions> {
  try {
    return parseOptions(process.argv.slice(2));
  } catch (thrown) {
    console.error(
      `bench: ${thrown instanceof Error ? thrown.message : String(thrown)}; --help lists the options`,
    );
    process.exit(2);
  }
}

async function startRuntimes(shop: Workshop, options: BenchOptions): Promise<RuntimeUnderTest[]> {
  const registry = await startRegistry(shop);
  const image = options.image ?? registry.image;
  const runtimes = [
    options.socket === undefined
      ? await startNodelet(shop, image)
      : await connect({ name: 'runtime', socketPath: options.socket, image, cgroupParent: '' }, shop).prepare(
          listenerOf(options.socket),
        ),
  ];
  if (options.peer !== undefined) {
    runtimes.push(await startContainerd(shop, registry, { image, ociRuntime: options.peerRuntime }));
  }
  return runtimes;
}

async function machineState(): Promise<Set<string>> {
  return new Set((await runTool('hack/leaks')).split('\n'));
}

function renderLeftBehind(lines: readonly string[], run: string): string {
  const own = lines.filter((line) => line.includes(run));
  const others = lines.length - own.length;
  return [
    own.length === 0 ? 'nothing left behind' : `left behind:\n${own.join('\n')}`,
    ...(others === 0 ? [] : [`${others} things of others have come meanwhile: hack/leaks lists them`]),
  ].join('\n');
}

/** What is on the machine now and was not before; something that is just ending gets a few seconds. */
async function newSince(before: ReadonlySet<string>): Promise<string[]> {
  let left: string[] = [];
  for (let check = 0; check < settleChecks; check++) {
    left = [...(await machineState())].filter((line) => !before.has(line));
    if (left.length === 0) break;
    await sleep(settlePauseMs);
  }
  return left;
}

await main();
