import { expect } from 'chai';
import { NodeletError } from '../../src/base/errors.js';
import { AppArmorProfiles } from '../../src/pods/security/app-armor.js';
import type { Files } from '../../src/ports/files.js';
import type { Processes, RunOptions } from '../../src/ports/processes.js';

/** A part of what Ubuntu's kernel lists. */
const recorded = `docker-default (enforce)
/usr/bin/man (enforce)
rsyslogd (enforce)
web app (complain)
`;

/** A machine with AppArmor, whose parser ends as told. */
function machine(exitCode: number | undefined, text = recorded) {
  const loads: RunOptions[] = [];
  const run: Processes['run'] = async (options) => {
    loads.push(options);
    if (exitCode === undefined) throw new NodeletError('tool-failed', 'apparmor_parser: no such file');
    return { exitCode, stdout: Buffer.alloc(0), stderr: Buffer.from('no rights\n') };
  };
  const read: Files['read'] = async (path) =>
    path === '/sys/kernel/security/apparmor/profiles' ? Buffer.from(text) : undefined;
  const host = { files: { read } as Files, processes: { run } as Processes };
  return { loads, profiles: new AppArmorProfiles(host) };
}

const named = (name: string) => ({ kind: 'named' as const, name, field: 'x.apparmor.localhost_ref' });
const byDefault = { kind: 'default' as const, field: 'x.apparmor' };

describe('pods: AppArmor on a machine that has it', () => {
  it('gives the profile that is asked for, where somebody has loaded it', async () => {
    const { profiles, loads } = machine(0);
    expect(await profiles.profileFor({ kind: 'none' })).to.equal(undefined);
    expect(await profiles.profileFor(named('docker-default'))).to.equal('docker-default');
    expect(await profiles.profileFor(named('web app'))).to.equal('web app');
    expect(loads).to.deep.equal([]);
  });
  it('refuses one that is not loaded, by the field', async () => {
    const error = await machine(0)
      .profiles.profileFor(named('docker'))
      .catch((thrown: unknown) => thrown);
    expect(error).to.include({ kind: 'invalid', field: 'x.apparmor.localhost_ref' });
  });
  it('loads the default profile where it is not there yet', async () => {
    const absent = machine(0);
    expect(await absent.profiles.profileFor(byDefault)).to.equal('nodelet-default');
    expect(absent.loads.map(({ argv }) => argv[0])).to.deep.equal(['apparmor_parser']);
    expect(Buffer.from(absent.loads[0]?.stdin ?? []).toString()).to.contain('profile nodelet-default');
    const there = machine(0, 'nodelet-default (enforce)\n');
    expect(await there.profiles.profileFor(byDefault)).to.equal('nodelet-default');
    expect(there.loads).to.deep.equal([]);
  });
  it('refuses the default, by the field, where it can’t be loaded', async () => {
    for (const exitCode of [1, undefined]) {
      const error = await machine(exitCode)
        .profiles.profileFor(byDefault)
        .catch((thrown: unknown) => thrown);
      expect(error).to.include({ kind: 'unsupported', field: 'x.apparmor' });
    }
  });
});
