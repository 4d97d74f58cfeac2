#!/usr/bin/env node
// Makes an OCI image of one layer from a folder and pushes it to a registry that speaks plain http:
//   hack/push-image.mjs [--user U] [--env K=V]... [--entrypoint WORD]... [--workdir DIR] [--stop-signal SIG] [--volume DIR]... \
//     ROOTFS 127.0.0.1:5055/name:tag [CMD [ARG...]]
/* global fetch */
import { Buffer } from 'node:buffer';
import { execFileSync } from 'node:child_process';
import { createHash } from 'node:crypto';
import { gzipSync } from 'node:zlib';

const words = process.argv.slice(2);
const options = { user: [], env: [], entrypoint: [], workdir: [], 'stop-signal': [], volume: [] };
// Options end at the first word that is none, since the command may have dashes of its own.
while (words[0]?.startsWith('--')) {
  const [option, value] = words.splice(0, 2);
  const values = options[option.slice(2)];
  if (!values || value === undefined) usage();
  values.push(value);
}
const [rootfs, reference, ...command] = words;
const match = /^([^/]+)\/(.+):([^:/]+)$/.exec(reference ?? '');
if (!rootfs || !match || command.length + options.entrypoint.length === 0) usage();
const [, host, name, tag] = match;
const base = `http://${host}/v2/${name}`;
const digestOf = (bytes) => `sha256:${createHash('sha256').update(bytes).digest('hex')}`;

function usage() {
  console.error('usage: push-image.mjs [OPTION VALUE]... ROOTFS HOST:PORT/NAME:TAG [CMD [ARG...]]');
  console.error(`options: ${Object.keys(options).join(', ')}`);
  process.exit(2);
}

async function expectStatus(response, wanted, what) {
  if (!wanted.includes(response.status)) {
    throw new Error(`${what}: ${response.status} ${await response.text()}`);
  }
  return response;
}

async function pushBlob(bytes, mediaType) {
  const digest = digestOf(bytes);
  const known = await fetch(`${base}/blobs/${digest}`, { method: 'HEAD' });
  if (known.status !== 200) {
    const begun = await expectStatus(
      await fetch(`${base}/blobs/uploads/`, { method: 'POST' }),
      [202],
      'upload',
    );
    const target = new URL(begun.headers.get('location'), base);
    target.searchParams.set('digest', digest);
    const headers = { 'content-type': 'application/octet-stream' };
    await expectStatus(await fetch(target, { method: 'PUT', headers, body: bytes }), [201], 'blob');
  }
  return { mediaType, digest, size: bytes.length };
}

// Fixed owner, order and time: the same folder gives the same digest, and a second push sends nothing.
const tarArgs = ['--sort=name', '--mtime=@0', '--owner=0', '--group=0', '--numeric-owner', '-C', rootfs];
const layer = execFileSync('tar', [...tarArgs, '-cf', '-', '.'], { maxBuffer: 1 << 28 });
const config = {
  architecture: { x64: 'amd64' }[process.arch] ?? process.arch,
  os: 'linux',
  config: {
    Cmd: command,
    Env: ['PATH=/bin', ...options.env],
    WorkingDir: options.workdir[0] ?? '/',
    ...(options.entrypoint.length > 0 && { Entrypoint: options.entrypoint }),
    ...(options.user.length > 0 && { User: options.user[0] }),
    ...(options.volume.length > 0 && {
      Volumes: Object.fromEntries(options.volume.map((place) => [place, {}])),
    }),
    ...(options['stop-signal'].length > 0 && { StopSignal: options['stop-signal'][0] }),
  },
  rootfs: { type: 'layers', diff_ids: [digestOf(layer)] },
  history: [{ created_by: 'hack/push-image.mjs' }],
};
const manifest = {
  schemaVersion: 2,
  mediaType: 'application/vnd.oci.image.manifest.v1+json',
  config: await pushBlob(Buffer.from(JSON.stringify(config)), 'application/vnd.oci.image.config.v1+json'),
  layers: [await pushBlob(gzipSync(layer), 'application/vnd.oci.image.layer.v1.tar+gzip')],
};
const body = JSON.stringify(manifest);
await expectStatus(
  await fetch(`${base}/manifests/${tag}`, {
    method: 'PUT',
    headers: { 'content-type': manifest.mediaType },
    body,
  }),
  [201],
  'manifest',
);
console.log(`${reference} ${digestOf(body)}`);
