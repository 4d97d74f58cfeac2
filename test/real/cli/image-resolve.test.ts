import fs from 'node:fs';
import { expect } from 'chai';
import { stringify } from 'yaml';
import type { RealNode } from '../real-node.js';
import { startRealNode } from '../real-node.js';
import { cli } from './nodelet-cli.js';

describe('nodelet image resolve and doctor about registries (real daemon)', () => {
  let node: RealNode;
  let image: string;
  before(async () => {
    node = await startRealNode();
    image = await node.image();
  });
  after(() => node?.dispose());

  const write = (registries: object | string): void =>
    fs.writeFileSync(
      node.config.registriesFile,
      typeof registries === 'string' ? registries : stringify({ registries }),
    );

  it('tell where an image comes from, as the daemon sees it', async () => {
    const [host = ''] = image.split('/');
    write({ [host]: { mirrors: [{ host: '127.0.0.1:1' }] } });
    const { exitCode, stdout } = await cli(node, ['image', 'resolve', image]);
    const [first, header, mirror, itself] = stdout.split('\n');
    expect(exitCode).to.equal(0);
    expect(first).to.equal(image);
    expect(header).to.match(/^SOURCE +ADDRESS +TLS +LOGIN +RESULT$/);
    expect(mirror).to.match(/^mirror 127\.0\.0\.1:1 .*ECONNREFUSED/);
    expect(itself).to.match(/ none +none +ok sha256:[0-9a-f]{64} linux\/\w+/);
    const nowhere = await cli(node, ['image', 'resolve', `${host}/none:1`]);
    expect(nowhere.exitCode).to.equal(1);
    expect(nowhere.stdout).to.include('has no none');
  });

  it('tell of a registries file that is broken, and go on with the last good one', async () => {
    write('registries:\n  a.io: { mirror: x }\n');
    const { stdout } = await cli(node, ['image', 'resolve', image]);
    expect(stdout).to.include('registries.a.io.mirror: unknown key').and.include('mirror 127.0.0.1:1');
    const doctor = await cli(node, ['doctor', '--config', `${node.dir}/config.yaml`]);
    expect(doctor.stdout).to.match(/^warn +registries file +registries\.a\.io\.mirror/m);
    const bad = await cli(node, ['image', 'resolve', 'a@b']);
    expect(bad.exitCode).to.equal(1);
    expect(bad.stderr).to.include('reference: "a@b" is no image reference');
  });
});
