import fs from 'node:fs';
import { expect } from 'chai';
import fc from 'fast-check';
import { newDevice, newKeyValue, newMount, newSecurityProfile } from '../../../../src/ports/cri/messages.js';
import type { ProfileType } from '../../../../src/ports/cri/messages.js';
import { badPiece, piece } from './piece.js';
import type { Piece } from './piece.js';

const word = fc.stringMatching(/^[a-zA-Z0-9 äß'"$\\=:,.-]{1,12}$/);

/** The program's words, environment and working folder. */
export const words: fc.Arbitrary<Piece> = fc
  .record({
    args: fc.array(word, { maxLength: 3 }),
    env: fc.uniqueArray(fc.tuple(fc.stringMatching(/^[A-Z_]{3,8}$/), fc.oneof(word, fc.constant(''))), {
      selector: ([name]) => name,
      maxLength: 3,
    }),
    cwd: fc.constantFrom('', '/', '/tmp', '/made/on/the/way'),
  })
  .map(({ args, env, cwd }) =>
    piece({
      label: `words ${JSON.stringify({ args, env, cwd })}`,
      put: ({ config }) => {
        config.command = ['sh', '-c', 'while :; do sleep 1000; done'];
        config.args = args;
        config.envs = env.map(([key, value]) => newKeyValue({ key, value: Buffer.from(value) }));
        config.working_dir = cwd;
      },
      holds: ({ process }) => {
        expect(process.args.slice(3)).to.deep.equal(args);
        for (const [name, value] of env) expect(process.env.get(name), name).to.equal(value);
        expect(process.cwd).to.equal(cwd === '' ? '/' : cwd);
      },
    }),
  );

/** Limits, each checked in the control group's file. Written for both cgroup versions. */
export const resources: fc.Arbitrary<Piece> = fc
  .record({
    shares: fc.constantFrom(0, 2, 512, 4096),
    quota: fc.constantFrom(0, 10_000, 200_000),
    period: fc.constantFrom(0, 50_000, 100_000),
    memoryMb: fc.constantFrom(0, 16, 64),
    cpus: fc.constantFrom('', '0', '0-1'),
    oom: fc.integer({ min: 0, max: 1000 }),
  })
  .map(({ shares, quota, period, memoryMb, cpus, oom }) =>
    piece({
      label: `resources ${JSON.stringify({ shares, quota, period, memoryMb, cpus, oom })}`,
      put: ({ resources: set }) => {
        set.cpu_shares = `${shares}`;
        set.cpu_quota = `${quota}`;
        set.cpu_period = `${period}`;
        set.memory_limit_in_bytes = `${memoryMb << 20}`;
        set.cpuset_cpus = cpus;
        set.oom_score_adj = `${oom}`;
      },
      holds: ({ process, status }) => {
        const file = (controller: string, name: string) => process.cgroupFile(controller, name);
        const v2 = file('cpu', 'cpu.max');
        if (shares !== 0 && v2 === undefined) expect(file('cpu', 'cpu.shares')).to.equal(`${shares}`);
        if (quota !== 0) {
          const [q, p] = v2?.split(' ') ?? [
            file('cpu', 'cpu.cfs_quota_us'),
            file('cpu', 'cpu.cfs_period_us'),
          ];
          expect([q, p]).to.deep.equal([`${quota}`, `${period || 100_000}`]);
        }
        if (memoryMb !== 0) {
          const limit = file('memory', 'memory.max') ?? file('memory', 'memory.limit_in_bytes');
          expect(limit).to.equal(`${memoryMb << 20}`);
        }
        if (cpus !== '') expect(file('cpuset', 'cpuset.cpus')).to.equal(cpus);
        expect(process.oomScoreAdj).to.equal(oom);
        const told = status.resources?.linux;
        if (shares !== 0) expect(told?.cpu_shares).to.equal(`${shares}`);
        if (memoryMb !== 0) expect(told?.memory_limit_in_bytes).to.equal(`${memoryMb << 20}`);
      },
    }),
  );

/** Paths that the request hides or makes read-only, and the root. */
export const paths: fc.Arbitrary<Piece> = fc
  .record({
    masked: fc.subarray(['/etc/passwd', '/bin', '/proc/timer_list', '/no/such/path']),
    readonly: fc.subarray(['/etc', '/home', '/proc/sys', '/no/such/path']),
    root: fc.boolean(),
  })
  .map(({ masked, readonly, root }) =>
    piece({
      label: `paths ${JSON.stringify({ masked, readonly, root })}`,
      put: ({ security }) => {
        security.masked_paths = masked.filter((path) => path !== '/bin');
        security.readonly_paths = readonly;
        security.readonly_rootfs = root;
      },
      holds: ({ process }) => {
        for (const path of masked) {
          if (path === '/bin' || !fs.existsSync(process.inRoot(path))) continue;
          const at = process.inRoot(path);
          if (fs.statSync(at).isDirectory()) expect(fs.readdirSync(at), path).to.deep.equal([]);
          else expect(fs.readFileSync(at, 'utf8'), path).to.equal('');
        }
        for (const path of readonly) {
          if (fs.existsSync(process.inRoot(path))) {
            expect(process.mountAt(path)?.options, path).to.include('ro');
          }
        }
        expect(process.mountAt('/')?.options.includes('ro')).to.equal(root);
      },
    }),
  );

/** Whether nothing can be made below a mount, the place of another one among it. */
const closed = (mounts: readonly { target: string; readonly: boolean; recursive: boolean }[], at: string) =>
  mounts.some(({ target, readonly, recursive }) => target === at && readonly && recursive);

/** Volumes; `dir` is a folder of the test's own, with `dir/files/NAME` there. */
export function mounts(dir: string): fc.Arbitrary<Piece> {
  const one = fc.record({
    target: fc.constantFrom('/data', '/data/inner', '/etc/app/settings', '/tmp/x'),
    source: fc.constantFrom('files', 'link', 'new', 'deep/new'),
    readonly: fc.boolean(),
    recursive: fc.boolean(),
  });
  return fc
    .uniqueArray(one, { selector: ({ target }) => target, maxLength: 3 })
    .filter((asked) => asked.every(({ target }) => target !== '/data/inner' || !closed(asked, '/data')))
    .map((asked) =>
      piece({
        label: `mounts ${JSON.stringify(asked)}`,
        put: ({ config }) => {
          config.mounts = asked.map(({ target, source, readonly, recursive }) =>
            newMount({
              container_path: target,
              host_path: `${dir}/${source}`,
              readonly,
              recursive_read_only: readonly && recursive,
            }),
          );
        },
        holds: ({ process, status }) => {
          for (const { target, source, readonly, recursive } of asked) {
            const [inside, outside] = [fs.statSync(process.inRoot(target)), fs.statSync(`${dir}/${source}`)];
            expect(inside.ino, target).to.equal(outside.ino);
            expect(process.mountAt(target)?.options.includes('ro'), target).to.equal(readonly);
            const told = status.mounts.find((mount) => mount.container_path === target);
            expect(told, target).to.include({ readonly, recursive_read_only: readonly && recursive });
          }
        },
      }),
    );
}

/** A device of the host's under another name. */
export const devices: fc.Arbitrary<Piece> = fc
  .record({ permissions: fc.constantFrom('r', 'rw', 'rwm'), from: fc.constantFrom('/dev/null', '/dev/zero') })
  .map(({ permissions, from }) =>
    piece({
      label: `device ${from} ${permissions}`,
      put: ({ config }) => {
        config.devices = [newDevice({ container_path: '/dev/given', host_path: from, permissions })];
      },
      holds: ({ process }) => {
        expect(fs.statSync(process.inRoot('/dev/given')).rdev).to.equal(fs.statSync(from).rdev);
      },
    }),
  );

/** System call filters. */
export const filters: fc.Arbitrary<Piece> = fc
  .constantFrom<ProfileType>('RuntimeDefault', 'Unconfined')
  .map((profile) =>
    piece({
      label: `seccomp ${profile}`,
      put: ({ security }) => {
        security.seccomp = newSecurityProfile({ profile_type: profile });
      },
      holds: ({ process }) => {
        expect(process.status('Seccomp')).to.deep.equal([profile === 'Unconfined' ? '0' : '2']);
      },
    }),
  );

/** What a client gets back to the letter. */
export const letters: fc.Arbitrary<Piece> = fc
  .record({
    labels: fc.dictionary(word, word, { maxKeys: 3 }),
    annotations: fc.dictionary(word, fc.string({ maxLength: 20 }), { maxKeys: 3 }),
    tty: fc.boolean(),
    stdin: fc.boolean(),
  })
  .map(({ labels, annotations, tty, stdin }) =>
    piece({
      label: `letters ${JSON.stringify({ labels, annotations, tty, stdin })}`,
      put: ({ config }) => Object.assign(config, { labels, annotations, tty, stdin }),
      holds: ({ process, status }) => {
        expect(status.labels).to.deep.equal({ ...labels });
        expect(status.annotations).to.deep.equal({ ...annotations });
        const input = fs.readlinkSync(`/proc/${process.pid}/fd/0`);
        if (tty) expect(input).to.match(/^\/dev\/pts|^\/dev\/console/);
        else if (!stdin) expect(input).to.equal('/dev/null');
      },
    }),
  );

/** Wishes that can't be met, each to be refused by the name of its field. */
export function bad(dir: string): fc.Arbitrary<Piece> {
  const limits = 'config.linux.resources';
  const context = 'config.linux.security_context';
  const mount = (set: object) => newMount({ container_path: '/bad', host_path: `${dir}/files`, ...set });
  return fc.constantFrom(
    badPiece(`${limits}.cpu_quota`, 'quota of 5 µs', ({ resources: r }) => (r.cpu_quota = '5')),
    badPiece(`${limits}.memory_limit_in_bytes`, 'memory of 1000 bytes', ({ resources: r }) => {
      r.memory_limit_in_bytes = '1000';
    }),
    badPiece(`${limits}.cpuset_cpus`, 'CPU 900', ({ resources: r }) => (r.cpuset_cpus = '900')),
    badPiece(`${limits}.cpuset_cpus`, 'no list', ({ resources: r }) => (r.cpuset_cpus = 'all')),
    badPiece(`${limits}.oom_score_adj`, 'score 2000', ({ resources: r }) => (r.oom_score_adj = '2000')),
    badPiece(`${limits}.unified`, 'no such controller', ({ resources: r }) => {
      r.unified = { 'nonsense.max': '1' };
    }),
    badPiece(`${context}.run_as_group`, 'group without user', ({ security }) => {
      security.run_as_user = null;
      security.run_as_username = '';
      security.run_as_group = { value: '5' };
    }),
    badPiece(`${context}.run_as_username`, 'unknown name', ({ security }) => {
      security.run_as_user = null;
      security.run_as_username = 'nobody-has-this-name';
    }),
    badPiece(`${context}.capabilities`, 'no capability', ({ security }) => {
      security.capabilities = {
        add_capabilities: ['NONSENSE'],
        drop_capabilities: [],
        add_ambient_capabilities: [],
      };
    }),
    badPiece(
      `${context}.privileged`,
      'privileged in a plain pod',
      ({ security }) => (security.privileged = true),
    ),
    badPiece(`${context}.seccomp`, 'profile that is nowhere', ({ security }) => {
      security.seccomp = newSecurityProfile({ profile_type: 'Localhost', localhost_ref: '/no/such/profile' });
    }),
    badPiece('config.mounts', 'relative path', ({ config }) => {
      config.mounts = [mount({ container_path: 'bad' })];
    }),
    badPiece('config.mounts', 'root', ({ config }) => (config.mounts = [mount({ container_path: '/' })])),
    badPiece('config.mounts', 'dangling link', ({ config }) => {
      config.mounts = [mount({ host_path: `${dir}/dangling` })];
    }),
    badPiece('config.mounts', 'recursively read-only, but writable', ({ config }) => {
      config.mounts = [mount({ recursive_read_only: true })];
    }),
    badPiece('config.mounts[1].container_path', 'place in a read-only mount', ({ config }) => {
      const outer = mount({ readonly: true, recursive_read_only: true });
      config.mounts = [outer, mount({ container_path: '/bad/not/there' })];
    }),
    badPiece('config.devices', 'missing device', ({ config }) => {
      config.devices = [newDevice({ container_path: '/dev/x', host_path: '/dev/none', permissions: 'r' })];
    }),
    badPiece('config.devices', 'no permission', ({ config }) => {
      config.devices = [newDevice({ container_path: '/dev/x', host_path: '/dev/null', permissions: 'q' })];
    }),
    badPiece('config.CDI_devices', 'unknown CDI device', ({ config }) => {
      config.CDI_devices = [{ name: 'vendor.example/class=none' }];
    }),
    badPiece('config.working_dir', 'relative folder', ({ config }) => (config.working_dir = 'tmp')),
    badPiece('config.envs', 'variable with =', ({ config }) => {
      config.envs = [newKeyValue({ key: 'A=B', value: Buffer.from('c') })];
    }),
    badPiece('config.log_path', 'log outside', ({ config }) => (config.log_path = '../../x.log')),
  );
}
