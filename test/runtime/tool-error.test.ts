import { expect } from 'chai';
import { toolError } from '../../src/runtime/tool-error.js';

describe('runtime: what an OCI runtime says becomes an error of ours', () => {
  const of = (text: string, verb = 'create') =>
    toolError({ handler: 'crun', verb, commandField: 'config.command' }, text);

  it('names the limit that the kernel refused', () => {
    const said: [text: string, field: string][] = [
      ['writing file `cpu.cfs_quota_us`: Invalid argument', 'cpu_quota'],
      ['writing file `cpu.cfs_period_us`: Invalid argument', 'cpu_period'],
      ['writing file `cpuset.cpus`: Numerical result out of range', 'cpuset_cpus'],
      ['writing file `memory.memsw.limit_in_bytes`: Invalid argument', 'memory_swap_limit_in_bytes'],
      [
        'opening file `hugetlb.64KB.limit_in_bytes` for writing: No such file or directory',
        'hugepage_limits',
      ],
      [
        'OOM: the memory limit could be too low: read from sync socket: Connection reset by peer',
        'memory_limit_in_bytes',
      ],
      [
        'time="2026-11-24T12:28:59Z" level=error msg="runc create failed: unable to start container process: error setting cgroup config for procHooks process: unable to set memory limit to 1000 (current usage: 1937408, peak usage: 1945600)"',
        'memory_limit_in_bytes',
      ],
      [
        'time="x" level=error msg="runc create failed: failed to write \\"5\\": write /sys/fs/cgroup/cpu/a/cpu.cfs_quota_us: invalid argument"',
        'cpu_quota',
      ],
    ];
    for (const [text, field] of said) {
      expect(of(text), text).to.include({ kind: 'invalid', field: `config.linux.resources.${field}` });
    }
  });

  it('does not blame a limit for an exec, nor for what is said of other things', () => {
    expect(of('writing file `cpu.max`: Invalid argument', 'exec').kind).to.equal('tool-failed');
    expect(of('mount `proc`: Permission denied').kind).to.equal('tool-failed');
  });

  it('blames the command that is not there, is no program or has no interpreter', () => {
    for (const text of [
      'executable file `nothing` not found in $PATH',
      'open executable: Permission denied',
      'exec: Exec format error',
      'exec: No such file or directory',
      '{"msg":"exec: No such file or directory","level":"error","time":"x"}',
    ])
      for (const verb of ['create', 'exec'])
        expect(of(text, verb), text).to.include({ kind: 'invalid', field: 'config.command' });
  });
});
