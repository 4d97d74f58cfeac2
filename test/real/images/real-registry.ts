import { execFileSync, spawn } from 'node:child_process';
import type { ChildProcess } from 'node:child_process';
import fs from 'node:fs';
import net from 'node:net';
import os from 'node:os';
import path from 'node:path';
import { stringify } from 'yaml';
import { freePort } from '../test-registry.js';

/** Certificates for tests: a CA of our own, and what it has signed. */
export class TestCa {
  readonly dir = fs.mkdtempSync(path.join(os.tmpdir(), 'nodelet-ca-'));
  readonly file = `${this.dir}/ca.pem`;
  private readonly key = `${this.dir}/ca.key`;

  constructor() {
    openssl([
      'req',
      '-x509',
      ...keyOptions,
      '-days',
      '2',
      '-subj',
      '/CN=test CA',
      '-keyout',
      this.key,
      '-out',
      this.file,
    ]);
  }

  /** Paths of a certificate for 127.0.0.1 (or for a client) and its key. */
  issue(name: string): { cert: string; key: string } {
    const [cert, key, request, extensions] = ['pem', 'key', 'csr', 'ext'].map(
      (end) => `${this.dir}/${name}.${end}`,
    ) as [string, string, string, string];
    fs.writeFileSync(extensions, 'subjectAltName=IP:127.0.0.1\n');
    openssl(['req', '-new', ...keyOptions, '-subj', `/CN=${name}`, '-keyout', key, '-out', request]);
    openssl([
      'x509',
      '-req',
      '-in',
      request,
      '-CA',
      this.file,
      '-CAkey',
      this.key,
      '-CAcreateserial',
      '-days',
      '2',
      '-extfile',
      extensions,
      '-out',
      cert,
    ]);
    return { cert, key };
  }

  remove(): void {
    fs.rmSync(this.dir, { recursive: true, force: true });
  }
}

const keyOptions = ['-newkey', 'rsa:2048', '-nodes'];
const openssl = (args: string[]): Buffer => execFileSync('openssl', args, { stdio: 'ignore' });

/** A docker-registry of a test's own, with whatever its configuration shall say. */
export class RealRegistry {
  private readonly dir = fs.mkdtempSync(path.join(os.tmpdir(), 'nodelet-own-registry-'));
  private child: ChildProcess | undefined;
  host = '';

  /** `config` is merged into docker-registry's configuration; with `data`, it serves the data of another one. */
  async start(config: { auth?: object; http?: object } = {}, data = `${this.dir}/data`): Promise<void> {
    this.host = `127.0.0.1:${await freePort()}`;
    const whole = {
      version: '0.1',
      log: { level: 'error' },
      storage: { filesystem: { rootdirectory: data } },
      http: { addr: this.host, ...config.http },
      ...(config.auth !== undefined && { auth: config.auth }),
    };
    const file = `${this.dir}/config.yml`;
    fs.writeFileSync(file, stringify(whole));
    const child = spawn('docker-registry', ['serve', file], { stdio: 'ignore' });
    this.child = child;
    while (!(await answers(this.host))) {
      if (child.exitCode !== null) throw new Error('docker-registry ended at once');
      await new Promise((resolve) => setTimeout(resolve, 20));
    }
  }

  get data(): string {
    return `${this.dir}/data`;
  }

  async stop(): Promise<void> {
    const { child } = this;
    if (child !== undefined && child.exitCode === null && child.signalCode === null) {
      const gone = new Promise((resolve) => child.once('exit', resolve));
      child.kill('SIGKILL');
      await gone;
    }
    fs.rmSync(this.dir, { recursive: true, force: true });
  }
}

function answers(host: string): Promise<boolean> {
  const [name, port] = host.split(':');
  return new Promise((resolve) => {
    const socket = net.connect({ host: name, port: Number(port) });
    const tell = (is: boolean) => () => {
      socket.destroy();
      resolve(is);
    };
    socket.once('connect', tell(true)).once('error', tell(false));
  });
}
