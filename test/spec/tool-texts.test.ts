import { expect } from 'chai';
import { NodeletError } from '../../src/base/errors.js';
import {
  newContainerConfig,
  newLinuxContainerConfig,
  newLinuxContainerSecurityContext,
  newSecurityProfile,
} from '../../src/ports/cri/messages.js';
import { explainStart } from '../../src/spec/start-error.js';
import { explainSysctl } from '../../src/spec/sysctls.js';

const said = (text: string) => new NodeletError('tool-failed', text);

describe('spec: what crun 1.8 and runc 1.1 say of sysctls', () => {
  const texts: [text: string, name: string, message: RegExp][] = [
    ['open `/proc/sys/net/ipv4/x`: No such file or directory', 'net.ipv4.x', /no such setting/],
    ['open /proc/sys/net/ipv4/x: no such file or directory', 'net/ipv4/x', /no such setting/],
    ['open /proc/sys/net/core/y: Permission denied', 'net.core.y', /nobody set it/],
    ['write to /proc/sys/kernel/sem: Invalid argument', 'kernel.sem', /refuses "v": Invalid argument/],
    ['init: write /proc/sys/kernel/sem: invalid argument', 'kernel/sem', /refuses "v": invalid argument/],
  ];
  for (const [text, name, message] of texts) {
    it(`names ${name} for "${text}"`, () => {
      const error = explainSysctl(said(text), { 'net.core.other': '1', [name]: 'v' }) as NodeletError;
      expect(error).to.include({ kind: 'invalid', field: `config.linux.sysctls["${name}"]` });
      expect(error.message).to.match(message);
    });
  }
  it('is left as it is where it is about something else', () => {
    for (const text of ['open /proc/sys/net/ipv4/x: No such file', 'no space left']) {
      const error = said(text);
      expect(explainSysctl(error, { 'kernel.sem': '1' })).to.equal(error);
    }
  });
});

describe('spec: what crun 1.8 and runc 1.1 say of a start', () => {
  const config = (working_dir: string, localhost_ref?: string) =>
    newContainerConfig({
      working_dir,
      linux: newLinuxContainerConfig({
        security_context: newLinuxContainerSecurityContext({
          seccomp:
            localhost_ref === undefined
              ? null
              : newSecurityProfile({ profile_type: 'Localhost', localhost_ref }),
        }),
      }),
    });
  it('names the working folder', () => {
    for (const text of [
      'crun create failed: chdir `/bin/sh`: Not a directory',
      'unable to start container process: error during container init: mkdir /bin/sh: not a directory',
      'error during container init: chdir to cwd ("/root") set in config.json failed: permission denied',
    ]) {
      expect(explainStart(said(text), config('/x')), text).to.include({ field: 'config.working_dir' });
      expect(explainStart(said(text), config('')), text).to.include({ field: 'image config WorkingDir' });
    }
  });
  it('names a seccomp profile that lets nothing start, where there is one', () => {
    for (const text of [
      'crun create failed: read from the init process',
      'the container ended before its start: ',
    ]) {
      const field = 'config.linux.security_context.seccomp.localhost_ref';
      expect(explainStart(said(text), config('', '/p.json')), text).to.include({ kind: 'invalid', field });
      const error = said(text);
      expect(explainStart(error, config('')), text).to.equal(error);
    }
  });
  it('is left as it is where it is about something else, as mounts', () => {
    for (const text of ['error mounting "/a" to rootfs: mkdir /x: not a directory', 'no space left']) {
      const error = said(text);
      expect(explainStart(error, config('/x'))).to.equal(error);
    }
  });
});
