import fs from 'node:fs';
import { expect } from 'chai';
import { parse } from 'yaml';
import type { RealNode } from '../real-node.js';
import { startRealNode, waitFor } from '../real-node.js';
import { AgentClient, shellPod } from '../agent/agent-client.js';
import { cli } from './nodelet-cli.js';

describe('the command line against a daemon (real)', () => {
  let node: RealNode;
  let image: string;
  const nodelet = (line: string, input?: string) => cli(node, line.split(' '), input);
  const pod = (name: string, script: string) => shellPod(name, { image, script });
  const runs = (name: string) =>
    waitFor(`${name} runs`, async () => (await nodelet(`get pods ${name}`)).stdout.includes('Running'));
  before(async () => {
    node = await startRealNode();
    image = await node.image();
    fs.mkdirSync(`${node.dir}/manifests-to-apply`);
  });
  after(() => node?.dispose());

  it('applies documents, folders and standard input as kubectl does, again and again', async () => {
    const folder = `${node.dir}/manifests-to-apply`;
    const sleeps = 'exec sleep 1000000';
    fs.writeFileSync(`${folder}/a.yaml`, pod('one', sleeps) + pod('two', sleeps));
    fs.writeFileSync(`${folder}/b.json`, JSON.stringify(parse(pod('three', sleeps).replace('---\n', ''))));
    fs.writeFileSync(`${folder}/notes.txt`, 'not a manifest');
    expect((await nodelet(`apply -f ${folder}`)).stdout).to.equal(
      'pod/one created\npod/two created\npod/three created\n',
    );
    expect((await nodelet('apply -f -', pod('four', sleeps))).stdout).to.equal('pod/four created\n');
    expect((await nodelet(`apply -f ${folder}/a.yaml ${folder}/b.json`)).stdout).to.equal(
      'pod/one unchanged\npod/two unchanged\npod/three unchanged\n',
    );
    const other = pod('one', sleeps).replace(
      'metadata: {name: one}',
      'metadata: {name: one, labels: {a: b}}',
    );
    expect((await nodelet('apply -f -', other)).stdout).to.equal('pod/one configured\n');
    const replaced = pod('two', 'sleep 2000000');
    expect((await nodelet('apply -f -', replaced)).stdout).to.equal('pod/two replaced\n');
  });

  it('applies nothing of a folder in which one manifest is bad, and says where', async () => {
    const folder = `${node.dir}/bad`;
    fs.mkdirSync(folder);
    fs.writeFileSync(`${folder}/good.yaml`, pod('good', 'true'));
    fs.writeFileSync(`${folder}/bad.yaml`, pod('bad', 'true').replace('image:', 'imagee:'));
    const { exitCode, stdout, stderr } = await nodelet(`apply -f ${folder}`);
    expect({ exitCode, stdout }).to.deep.equal({ exitCode: 1, stdout: '' });
    expect(stderr).to.contain(`${folder}/bad.yaml:8: spec.containers[0].imagee: is not a field`);
    expect((await nodelet('get pods good')).stderr).to.contain('pod default/good not found');
  });

  it('shows pods: table, wide, JSON, YAML, one namespace and all', async () => {
    await runs('one');
    const elsewhere = pod('one', 'exec sleep 1000000').replace(
      '{name: one}',
      '{name: one, namespace: apart}',
    );
    expect((await nodelet('apply -f -', elsewhere)).exitCode).to.equal(0);
    const table = (await nodelet('get pods')).stdout;
    expect(table)
      .to.match(/^NAME +READY +STATUS +RESTARTS +AGE\n/)
      .and.to.match(/\none +1\/1 +Running +0 +\d+s\n/);
    expect((await nodelet('get pods one -o wide')).stdout).to.match(/10\.\d+\.\d+\.\d+ +test-node\n$/);
    expect(JSON.parse((await nodelet('get pods one -o json')).stdout)).to.have.nested.property(
      'metadata.name',
      'one',
    );
    expect(parse((await nodelet('get pod one -o yaml')).stdout)).to.have.property('kind', 'Pod');
    expect((await nodelet('get pods -n apart')).stdout.match(/^one /gm)).to.have.length(1);
    expect((await nodelet('get po -A')).stdout)
      .to.match(/^apart +one /m)
      .and.to.match(/^default +one /m);
  });

  it('describes a pod with what happened to it', async () => {
    await nodelet('apply -f -', pod('ends', 'echo gone wrong; exit 3'));
    await waitFor('a restart', async () =>
      (await nodelet('get pods ends')).stdout.includes('CrashLoopBackOff'),
    );
    const { stdout } = await nodelet('describe pod ends');
    expect(stdout).to.match(/State: +Waiting: CrashLoopBackOff: back-off 10s/);
    expect(stdout).to.match(/Last state: +Terminated: Error, exit code 3, ran from \S+Z to \S+Z/);
    expect(stdout)
      .to.match(/ContainersReady +False/)
      .and.to.match(/Warning +BackOff/);
  });

  it('prints logs: all, the last lines, the run before, with times', async () => {
    await nodelet('apply -f -', pod('talks', 'echo one; echo two; echo three; exec sleep 1000000'));
    await runs('talks');
    await waitFor('the log', async () => (await nodelet('logs talks')).stdout === 'one\ntwo\nthree\n');
    expect((await nodelet('logs talks --tail 2')).stdout).to.equal('two\nthree\n');
    expect((await nodelet('logs --timestamps --tail 1 talks')).stdout).to.match(/^\d{4}-\S+ three\n$/);
    expect((await nodelet('logs talks --previous')).stderr).to.contain('has no previous run');
    expect((await nodelet('logs ends --previous')).stdout).to.equal('gone wrong\n');
  });

  it('deletes by name and by manifest, and returns when the pods are gone', async () => {
    expect((await nodelet('delete pod ends talks')).stdout).to.equal('pod/ends deleted\npod/talks deleted\n');
    expect((await nodelet('get pods')).stdout).not.to.match(/ends|talks/);
    const folder = `${node.dir}/manifests-to-apply`;
    expect((await nodelet(`delete --grace-period 0 -f ${folder}`)).stdout).to.contain('pod/three deleted\n');
    expect((await nodelet(`delete -f ${folder}`)).stdout).to.contain('pod/three not found\n');
    const absent = await nodelet('delete pod three');
    expect(absent).to.include({ exitCode: 1, stdout: '' });
    expect(absent.stderr).to.equal('nodelet: pod default/three not found\n');
  });

  it('takes a name for a name, never for a part of a path', async () => {
    for (const line of ['get pods -n ..', 'get pods a/b', 'describe pod ..', 'logs .', 'delete pod ..']) {
      const { exitCode, stdout, stderr } = await nodelet(line);
      expect({ exitCode, stdout }, line).to.deep.equal({ exitCode: 1, stdout: '' });
      expect(stderr, line).to.match(/^nodelet: (pod|namespace): "\S+" is no name: it must be a DNS-1123/);
    }
  });

  it('is done with a deletion when the pod is gone, though another of its name runs by then', async () => {
    const text = pod('again', 'exec sleep 1000000');
    await nodelet('apply -f -', text);
    await runs('again');
    const agent = new AgentClient(node);
    let deleted = false;
    const deletion = nodelet('delete pod again').finally(() => (deleted = true));
    await waitFor('a new pod of the name', async () => {
      const [applied] = await agent.apply(text).catch(() => []);
      return applied?.action === 'created';
    });
    await waitFor('the deletion', () => deleted);
    expect((await deletion).stdout).to.equal('pod/again deleted\n');
  });

  it('refuses flags and words that it does not know, on stderr', async () => {
    for (const line of [
      'get pods --bogus',
      'bogus',
      'get deployments',
      'get pods -o xml',
      'logs one --tail x',
    ]) {
      const { exitCode, stdout, stderr } = await nodelet(line);
      expect({ exitCode, stdout }, line).to.deep.equal({ exitCode: 1, stdout: '' });
      expect(stderr, line).not.to.equal('');
    }
  });

  it('says in one line that no daemon runs, and what to do', async () => {
    const apiSocket = `${node.dir}/none.sock`;
    const lone = { ...node, config: { ...node.config, apiSocket, criSocket: apiSocket } };
    for (const line of ['get pods', 'image ls', 'exec one -- true', 'logs one']) {
      const { exitCode, stderr } = await cli(lone, line.split(' '));
      expect(exitCode, line).to.equal(1);
      expect(stderr, line).to.match(
        /^nodelet: no daemon answers on \S+none\.sock; start it with `nodelet serve`.*\n$/,
      );
    }
  });

  it('tells a registry that is down from a daemon that is, and an absent image from a removed one', async () => {
    const pull = await nodelet('image pull 127.0.0.1:1/any');
    expect(pull).to.include({ exitCode: 1, stdout: '' });
    expect(pull.stderr).to.contain('registry 127.0.0.1:1').and.not.to.contain('no daemon');
    const absent = await nodelet('image rm 127.0.0.1:1/any');
    expect(absent).to.include({ exitCode: 1, stdout: '' });
    expect(absent.stderr).to.equal('nodelet: no image 127.0.0.1:1/any on this node\n');
  });

  it('prunes images that nobody uses, and says of each why it goes or stays', async () => {
    await nodelet('apply -f -', pod('uses-it', 'exec sleep 1000000'));
    await runs('uses-it');
    const dry = await nodelet('image prune --all --dry-run');
    expect(dry.stdout).to.match(/^IMAGE +ID +VERDICT +FREED +REASON\n/);
    expect(dry.stdout).to.match(/pause:embedded +[0-9a-f]{12} +kept +- +pinned: every pod needs it\n/);
    expect(dry.stdout).to.match(new RegExp(`${image} +[0-9a-f]{12} +kept +- +in use by [0-9a-f, ]+\n`));
    await nodelet('delete pod --grace-period 0 uses-it');
    expect((await nodelet('image prune')).stdout).to.match(/\nfreed 0 bytes \(0\.0MB\)\n$/);
    expect((await nodelet('image ls -q --no-trunc')).stdout).to.match(/^(sha256:[0-9a-f]{64}\n){2}$/);
    expect((await nodelet('image ls --digests')).stdout).to.match(/^IMAGE +DIGEST +ID +SIZE\n/);
  });

  it('names images, tells of their steps, and takes names away', async () => {
    expect((await nodelet(`image tag ${image} mine:1`)).stdout).to.equal('docker.io/library/mine:1\n');
    expect((await nodelet('image ls mine')).stdout).to.match(/^IMAGE.*\ndocker\.io\/library\/mine:1 .*\n$/);
    expect((await nodelet('image history mine:1')).stdout).to.match(
      /^CREATED +CREATED BY +SIZE +COMMENT\n\S/,
    );
    expect((await nodelet('image rm mine:1')).stdout).to.equal('docker.io/library/mine:1 untagged\n');
    expect((await nodelet(`image ls ${image}`)).stdout).to.contain(image);
  });

  it('finds this machine fit, or says for each thing what to do', async () => {
    const { exitCode, stdout } = await nodelet('doctor');
    expect(exitCode, stdout).to.equal(0);
    for (const line of stdout.split('\n').slice(1, -1)) expect(line).to.match(/^ok {7}|^warn {5}.* {3}\S/);
  });
});
