import { execFile, spawn } from 'node:child_process';
import type { ChildProcess } from 'node:child_process';
import fs from 'node:fs';
import net from 'node:net';
import type { AddressInfo } from 'node:net';
import os from 'node:os';
import path from 'node:path';
import { fileURLToPath } from 'node:url';
import { promisify } from 'node:util';

const run = promisify(execFile);

/** The repository's root, from dist/test/real. */
export const repositoryDir = fileURLToPath(new URL('../../../', import.meta.url));

/** What a test image differs in from the plain one: busybox with all applets, users `root` and `app`, command `sleep 1000000`. */
export interface ImageVariant {
  user?: string;
  env?: string[];
  entrypoint?: string[];
  cmd?: string[];
  workdir?: string;
  stopSignal?: string;
  /** Files by path, in place of those that are there. */
  files?: Record<string, string>;
  /** Symlinks by path, in place of what is there; the value is where they point. */
  links?: Record<string, string>;
  /** Places that the image declares as volumes. */
  volumes?: string[];
}

export interface TestRegistry {
  /** `127.0.0.1:PORT`. */
  address: string;
  /** Pushes the variant, once however often it is asked for, and gives its reference. */
  push(variant?: ImageVariant): Promise<string>;
  /** Gives the image of a reference more tags; gives their references. */
  tag(reference: string, tags: string[]): Promise<string[]>;
  /** `127.0.0.1:PORT` of a second registry over the same data that lets only `user` with the password `secret` in. */
  guarded(): Promise<string>;
}

/** `user:secret`, hashed by bcrypt. */
const logins = 'user:$2b$05$abcdefghijklmnopqrstuuOQiyCxlgf/oeuTqixKmWdcYUh4Hjl0a\n';

const passwd = 'root:x:0:0:root:/root:/bin/sh\napp:x:1000:1000:app:/:/bin/sh\n';
/** `app` is a member of `staff`, which the image's own group list alone tells. */
const group = 'root:x:0:\napp:x:1000:\nstaff:x:3000:app\n';

let serving: Promise<{ registry: TestRegistry; stop: () => Promise<void> }> | undefined;

/** The one real registry of this test process, on a free loopback port, its data in a folder that goes with it. */
export async function testRegistry(): Promise<TestRegistry> {
  serving ??= serve();
  return (await serving).registry;
}

// At the root: other files of the same run may still want the registry when one file is done.
after('stop the registry', async function () {
  const running = serving;
  serving = undefined;
  await (await running)?.stop();
});

async function serve(): Promise<{ registry: TestRegistry; stop: () => Promise<void> }> {
  const dir = fs.mkdtempSync(path.join(os.tmpdir(), 'nodelet-registry-'));
  const children: ChildProcess[] = [];
  const start = async (...more: string[]): Promise<string> => {
    const at = `127.0.0.1:${await freePort()}`;
    const child = spawn(`${repositoryDir}/hack/serve-registry`, [at, dir, ...more], { stdio: 'ignore' });
    children.push(child);
    await answering(`http://${at}/v2/`, child);
    return at;
  };
  const stop = async () => {
    await Promise.all(children.map(ended));
    fs.rmSync(dir, { recursive: true, force: true });
  };
  try {
    const address = await start();
    const rootfs = path.join(dir, 'rootfs');
    await run(`${repositoryDir}/hack/busybox-rootfs`, [rootfs]);
    fs.writeFileSync(`${rootfs}/etc/passwd`, passwd);
    fs.writeFileSync(`${rootfs}/etc/group`, group);
    const pushed = new Map<string, Promise<string>>();
    const push = (variant: ImageVariant = {}) => {
      const key = JSON.stringify(variant);
      const flight = pushed.get(key) ?? pushVariant(rootfs, `${address}/busybox:v${pushed.size}`, variant);
      pushed.set(key, flight);
      return flight;
    };
    let second: Promise<string> | undefined;
    const guarded = () => {
      fs.writeFileSync(`${dir}/htpasswd`, logins);
      return (second ??= start(`${dir}/htpasswd`));
    };
    return { registry: { address, push, tag: tagAlso, guarded }, stop };
  } catch (thrown) {
    await stop();
    throw thrown;
  }
}

/** A copy of the root file system with the variant's own files; the root file system itself where it has none. */
async function rootOf(rootfs: string, { files = {}, links = {} }: ImageVariant): Promise<string> {
  const changes = [...Object.keys(files), ...Object.keys(links)];
  if (changes.length === 0) return rootfs;
  const copy = fs.mkdtempSync(`${rootfs}-`);
  await run('cp', ['-a', `${rootfs}/.`, copy]);
  for (const name of changes) {
    fs.rmSync(copy + name, { recursive: true, force: true });
    fs.mkdirSync(path.dirname(copy + name), { recursive: true });
  }
  for (const [name, text] of Object.entries(files)) fs.writeFileSync(copy + name, text);
  for (const [name, target] of Object.entries(links)) fs.symlinkSync(target, copy + name);
  return copy;
}

async function pushVariant(plain: string, reference: string, variant: ImageVariant): Promise<string> {
  const rootfs = await rootOf(plain, variant);
  const option = (name: string, values: string[] = []) => values.flatMap((value) => [`--${name}`, value]);
  const one = (value: string | undefined) => (value === undefined ? [] : [value]);
  const { cmd = variant.entrypoint === undefined ? ['sleep', '1000000'] : [] } = variant;
  await run(process.execPath, [
    `${repositoryDir}/hack/push-image.mjs`,
    ...option('user', one(variant.user)),
    ...option('env', variant.env),
    ...option('entrypoint', variant.entrypoint),
    ...option('workdir', one(variant.workdir)),
    ...option('stop-signal', one(variant.stopSignal)),
    ...option('volume', variant.volumes),
    rootfs,
    reference,
    ...cmd,
  ]);
  return reference;
}

async function tagAlso(reference: string, tags: string[]): Promise<string[]> {
  const [, host = '', name = '', tag = ''] = /^([^/]+)\/(.+):([^:/]+)$/.exec(reference) ?? [];
  const base = `http://${host}/v2/${name}/manifests`;
  const accept = 'application/vnd.oci.image.manifest.v1+json';
  const body = await (await fetch(`${base}/${tag}`, { headers: { accept } })).text();
  for (const each of tags) {
    const headers = { 'content-type': accept };
    const answer = await fetch(`${base}/${each}`, { method: 'PUT', headers, body });
    if (answer.status !== 201) throw new Error(`tagging ${each}: ${answer.status}`);
  }
  return tags.map((each) => `${host}/${name}:${each}`);
}

/** A TCP port that was free a moment ago. */
export async function freePort(): Promise<number> {
  const server = net.createServer();
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  const { port } = server.address() as AddressInfo;
  await new Promise((resolve) => server.close(resolve));
  return port;
}

async function answering(url: string, child: ChildProcess): Promise<void> {
  for (let tries = 0; tries < 600; tries++) {
    if (child.exitCode !== null) throw new Error('docker-registry ended at once');
    const up = await fetch(url).then(
      // One that wants a login is up, too.
      (response) => response.ok || response.status === 401,
      () => false,
    );
    if (up) return;
    await new Promise((resolve) => setTimeout(resolve, 50));
  }
  throw new Error('docker-registry does not answer');
}

async function ended(child: ChildProcess): Promise<void> {
  if (child.exitCode !== null || child.signalCode !== null) return;
  const gone = new Promise((resolve) => child.once('exit', resolve));
  child.kill('SIGKILL');
  await gone;
}
