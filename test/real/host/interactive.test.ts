import { expect } from 'chai';
import { createInteractiveProcesses } from '../../../src/host/interactive.js';
import { createProcesses } from '../../../src/host/processes.js';
import type { InteractiveOptions, InteractiveProcess } from '../../../src/ports/interactive-processes.js';
import { waitFor } from '../real-node.js';

describe('host: interactive processes', () => {
  const interactive = createInteractiveProcesses();
  const processes = createProcesses();
  const started: InteractiveProcess[] = [];
  afterEach(() => {
    for (const process of started.splice(0)) process.kill();
  });
  async function begin(options: InteractiveOptions) {
    const process = await interactive.start(options);
    started.push(process);
    let output = '';
    let errors = '';
    process.stdout.on('data', (chunk: Buffer) => (output += chunk.toString()));
    process.stderr?.on('data', (chunk: Buffer) => (errors += chunk.toString()));
    return { process, output: () => output, errors: () => errors };
  }

  it('carries stdin to its end, keeps stdout and stderr apart and gives the exit code', async () => {
    const { process, output, errors } = await begin({
      argv: ['sh', '-c', 'cat; echo bad >&2; exit 7'],
      stdin: true,
    });
    process.stdin?.end('some text');
    expect(await process.exited).to.equal(7);
    await waitFor('all output', () => output() === 'some text' && errors() === 'bad\n');
  });

  it('reads nothing where no stdin was asked for', async () => {
    const { process, output } = await begin({ argv: ['cat'], stdin: false });
    expect(await process.exited).to.equal(0);
    expect(output()).to.equal('');
  });

  it('gives a terminal with its size, new sizes and signals from its keys', async () => {
    const { process, output } = await begin({
      argv: [
        'sh',
        '-c',
        'trap "stty size" WINCH; trap "echo interrupted; exit 3" INT; stty size; while :; do sleep 0.05; done',
      ],
      stdin: true,
      terminal: { columns: 91, rows: 17, relay: false },
    });
    await waitFor('the first size', () => output().includes('17 91\r\n'));
    process.resize({ columns: 120, rows: 40 });
    await waitFor('the new size', () => output().includes('40 120\r\n'));
    process.stdin?.write('\x03');
    await waitFor('the interrupt', () => output().includes('interrupted\r\n'));
    expect(await process.exited).to.equal(3);
  });

  it('delivers what was written last before a terminal closes', async () => {
    const { process, output } = await begin({
      argv: ['sh', '-c', 'seq 1 20000'],
      stdin: true,
      terminal: { columns: 80, rows: 24, relay: false },
    });
    expect(await process.exited).to.equal(0);
    await waitFor('the last line', () => output().endsWith('20000\r\n'));
  });

  it('does not stand still while nobody reads what is typed', async () => {
    const { process } = await begin({
      argv: ['sleep', '1000'],
      stdin: true,
      terminal: { columns: 80, rows: 24, relay: true },
    });
    const before = performance.now();
    process.stdin?.write(Buffer.alloc(1024 * 1024, 'x'));
    await new Promise((resolve) => setImmediate(resolve));
    expect(performance.now() - before).to.be.below(1000);
    process.kill();
    expect(await process.exited).to.equal(137);
  });

  it('kills the whole tree', async () => {
    const mark = `100${Math.floor(performance.now())}`;
    const { process } = await begin({ argv: ['sh', '-c', `sleep ${mark} & sleep ${mark}`], stdin: true });
    const sleepers = async () => (await processes.list()).filter(({ argv }) => argv[1] === mark).length;
    await waitFor('two sleepers', async () => (await sleepers()) === 2);
    process.kill();
    expect(await process.exited).to.equal(137);
    expect(await sleepers()).to.equal(0);
  });

  it('refuses a program that is not there', async () => {
    const refused = await interactive
      .start({ argv: ['/no/such/program'], stdin: true })
      .catch((thrown: unknown) => thrown);
    expect(refused).to.include({ kind: 'tool-failed' });
  });
});
