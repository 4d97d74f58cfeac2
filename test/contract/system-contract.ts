import { expect } from 'chai';
import type { ContractFactory, ContractWorld } from './contract.js';
import { declareContract, outcomeOf } from './contract.js';

const groupOf = ({ suffix }: ContractWorld) => `/nlc${suffix}`;
const [sigterm, sigkill] = [15, 9];

export function cgroupsContract(factory: ContractFactory): void {
  declareContract('control groups', factory, {
    'makes a group with its parents, again and again, and removes it with what is below': async (world) => {
      const { cgroups } = world.host;
      for (const _ of [1, 2]) await cgroups.create(`${groupOf(world)}/pod/container`);
      expect(await cgroups.children(groupOf(world))).to.deep.equal(['pod']);
      for (const _ of [1, 2]) await cgroups.remove(groupOf(world));
      expect(await cgroups.children(groupOf(world))).to.deep.equal([]);
    },
    'knows nothing of a group that is not there': async (world) => {
      const { cgroups } = world.host;
      expect(await cgroups.pids(groupOf(world))).to.deep.equal([]);
      expect(await cgroups.oomKills(groupOf(world))).to.equal(0);
    },
    'holds a process, and is not removed while it lives': async (world) => {
      const { cgroups, processes } = world.host;
      const other = await world.spawnOther();
      await cgroups.create(`${groupOf(world)}/pod`);
      expect(await cgroups.attach(`${groupOf(world)}/pod`, other.pid)).to.equal(true);
      expect(await cgroups.pids(groupOf(world))).to.deep.equal([other.pid]);
      expect(await outcomeOf(cgroups.remove(groupOf(world)))).to.equal('wrong-state');
      processes.kill(other, sigkill);
      await processes.waitGone(other, 5_000);
      await cgroups.remove(groupOf(world));
    },
    'kills all that is in a group and below it, and what is gone too': async (world) => {
      const { cgroups, processes } = world.host;
      const others = [await world.spawnOther(), await world.spawnOther()];
      await cgroups.create(`${groupOf(world)}/pod`);
      for (const { pid } of others) await cgroups.attach(`${groupOf(world)}/pod`, pid);
      await cgroups.thaw(groupOf(world));
      expect(await cgroups.kill(groupOf(world), 5_000)).to.equal(true);
      for (const other of others) expect(await processes.waitGone(other, 5_000)).to.equal(true);
      expect(await cgroups.pids(groupOf(world))).to.deep.equal([]);
      await cgroups.remove(groupOf(world));
      expect(await cgroups.kill(groupOf(world), 5_000)).to.equal(true);
      await cgroups.thaw(groupOf(world));
    },
    'changes limits of a group that is there alone': async (world) => {
      const { cgroups } = world.host;
      await cgroups.create(`${groupOf(world)}/pod`);
      for (const cpuShares of [512, 2048]) await cgroups.update(`${groupOf(world)}/pod`, { cpuShares });
      expect(await outcomeOf(cgroups.update(`${groupOf(world)}/other`, { cpuShares: 512 }))).to.equal(
        'not-found',
      );
      await cgroups.remove(groupOf(world));
    },
    'says so when the process to attach has gone': async (world) => {
      const { cgroups, processes } = world.host;
      const other = await world.spawnOther();
      processes.kill(other, sigkill);
      await processes.waitGone(other, 5_000);
      await cgroups.create(groupOf(world));
      expect(await cgroups.attach(groupOf(world), other.pid)).to.equal(false);
    },
  });
}

export function processesContract(factory: ContractFactory): void {
  declareContract('processes', factory, {
    'knows a live process by pid and start, and ends it by signal': async (world) => {
      const { processes } = world.host;
      const other = await world.spawnOther();
      expect(processes.identify(other.pid)).to.deep.equal(other);
      expect((await processes.list()).map(({ identity }) => identity.pid)).to.include(other.pid);
      expect(processes.kill(other, sigterm)).to.equal(true);
      expect(await processes.waitGone(other, 5_000)).to.equal(true);
      expect(processes.identify(other.pid)?.startTicks).not.to.equal(other.startTicks);
    },
    'does not touch a process that only has the pid of the one meant': async (world) => {
      const { processes } = world.host;
      const other = await world.spawnOther();
      const earlier = { pid: other.pid, startTicks: '1' };
      expect(processes.kill(earlier, sigkill)).to.equal(false);
      expect(await processes.waitGone(earlier, 5_000), 'the earlier one is gone').to.equal(true);
      expect(processes.identify(other.pid)).to.deep.equal(other);
    },
    'raises the OOM score of a process that has the one meant, and of no other': async (world) => {
      const { processes } = world.host;
      const other = await world.spawnOther();
      const scores = Array.from({ length: 1900 }, (_, index) => index - 1000);
      const from =
        scores.find((score) => processes.moveOomScore(other.pid, { from: score, to: score })) ?? NaN;
      expect(processes.moveOomScore(other.pid, { from: from + 1, to: from + 9 })).to.equal(false);
      expect(processes.moveOomScore(other.pid, { from, to: from + 5 })).to.equal(true);
      expect(processes.moveOomScore(other.pid, { from, to: from + 9 })).to.equal(false);
      expect(processes.moveOomScore(other.pid, { from: from + 5, to: from + 9 })).to.equal(true);
      processes.kill(other, sigkill);
      await processes.waitGone(other, 5_000);
      expect(processes.moveOomScore(other.pid, { from: from + 9, to: from + 10 })).to.equal(false);
    },
    'says of a process that has gone that it has': async (world) => {
      const { processes } = world.host;
      const other = await world.spawnOther();
      processes.kill(other, sigkill);
      expect(await processes.waitGone(other, 5_000)).to.equal(true);
      expect(await processes.waitGone(other, 0)).to.equal(true);
      expect(processes.kill(other, sigkill)).to.equal(false);
    },
    'stops waiting for a live process at the time given': async (world) => {
      const { processes } = world.host;
      expect(await processes.waitGone(await world.spawnOther(), 30)).to.equal(false);
    },
    'stops waiting for a live process when it is told to': async (world) => {
      const { processes } = world.host;
      const stop = new AbortController();
      const waiting = processes.waitGone(await world.spawnOther(), 1e15, stop.signal);
      stop.abort();
      expect(await waiting).to.equal(false);
    },
    'refuses a program that is not there': async ({ host, dir }) => {
      expect(await outcomeOf(host.processes.run({ argv: [`${dir}/nothing`] }))).to.equal('tool-failed');
    },
    'starts nothing for a caller that has gone': async ({ host, dir }) => {
      const gone = new Error('gone');
      const run = host.processes.run({ argv: [`${dir}/nothing`], signal: AbortSignal.abort(gone) });
      expect(await run.catch((thrown: unknown) => thrown)).to.equal(gone);
    },
  });
}

export function recordsContract(factory: ContractFactory): void {
  declareContract('the record store', factory, {
    'keeps what was put, also when the agent comes back': async (world) => {
      const table = world.host.store.table<{ n: number }>('contract');
      await table.put('a', { n: 1 });
      await table.put('b', { n: 2 });
      await table.put('a', { n: 3 });
      await table.remove('b');
      const again = (await world.reopen()).store.table<{ n: number }>('contract');
      expect(again.entries()).to.deep.equal([['a', { n: 3 }]]);
      expect(again.get('b')).to.equal(undefined);
    },
    'has an own copy of what it is given and gives': async ({ host }) => {
      const table = host.store.table<{ list: number[] }>('contract');
      const given = { list: [1] };
      const put = table.put('a', given);
      given.list.push(2);
      await put;
      table.get('a')?.list.push(3);
      expect(table.get('a')).to.deep.equal({ list: [1] });
    },
    'keeps tables apart, and removes what is not there': async ({ host: { store } }) => {
      await store.table('one').put('key', 1);
      await store.table('two').remove('key');
      expect(store.table('one').get('key')).to.equal(1);
      expect(store.table('two').entries()).to.deep.equal([]);
    },
    'keeps the order of two writes that nobody waited between': async ({ host: { store } }) => {
      const table = store.table<number>('contract');
      await Promise.all([table.put('a', 1), table.put('a', 2)]);
      expect(table.get('a')).to.equal(2);
    },
  });
}

export function clockContract(factory: ContractFactory): void {
  declareContract('the clock', factory, {
    'sleeps at least as long as asked': async ({ host: { clock } }) => {
      const startMs = clock.monotonicMs();
      const startNs = clock.nowNs();
      await clock.sleep(20);
      expect(clock.monotonicMs() - startMs).to.be.at.least(19);
      expect(Number(clock.nowNs() - startNs)).to.be.at.least(19_000_000);
    },
    'wakes a sleeper whose caller has gone, with the reason': async ({ host: { clock } }) => {
      const stop = new AbortController();
      const asleep = clock.sleep(60_000, stop.signal).catch((thrown: unknown) => thrown);
      stop.abort(new Error('enough'));
      expect(await asleep)
        .to.be.an('error')
        .with.property('message', 'enough');
      const late = clock.sleep(60_000, stop.signal).catch((thrown: unknown) => thrown);
      expect(await late)
        .to.be.an('error')
        .with.property('message', 'enough');
    },
    'fires what is due, and not what was cancelled': async ({ host: { clock } }) => {
      const fired: string[] = [];
      clock.after(5, () => fired.push('kept'));
      clock.after(5, () => fired.push('cancelled'))();
      await clock.sleep(30);
      expect(fired).to.deep.equal(['kept']);
    },
  });
}
