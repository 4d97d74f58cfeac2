import { isAtLeast } from '../base/version-order.js';
import type { BinaryFact, MachineFacts } from '../ports/machine-facts.js';
import { renderTable } from './pod-table.js';

export interface Finding {
  check: string;
  verdict: 'ok' | 'warn' | 'fail';
  found: string;
  /** What to do about it; empty when nothing needs doing. */
  remedy: string;
}

/** Judges a machine: `fail` keeps pods from running, `warn` takes something away, `ok` needs nothing. */
export function diagnose(facts: MachineFacts): Finding[] {
  return [
    kernelFinding(facts.kernelRelease),
    nodeFinding(facts.nodeVersion),
    verdictOf('root', facts.uid === 0, 'fail', `uid ${facts.uid}`, 'run nodelet as root'),
    verdictOf(
      'CAP_SYS_ADMIN',
      facts.capSysAdmin,
      'fail',
      facts.capSysAdmin ? 'held' : 'missing',
      'mounts and namespaces need it: run outside of a restricted container',
    ),
    verdictOf(
      'CAP_SYS_RESOURCE',
      facts.capSysResource,
      'warn',
      facts.capSysResource ? 'held' : 'missing',
      'OOM scores can be raised but not lowered, and hard limits not lifted: grant the capability for these',
    ),
    verdictOf(
      'overlayfs',
      facts.overlay !== 'none',
      'fail',
      facts.overlay === 'a module' ? 'a module, which the first mount loads' : facts.overlay,
      'use a kernel with CONFIG_OVERLAY_FS',
    ),
    verdictOf(
      'namespaces',
      facts.missingNamespaces.length === 0,
      'fail',
      facts.missingNamespaces.length === 0 ? 'all kinds' : `no ${facts.missingNamespaces.join(', ')}`,
      'pods need them all: use a kernel with CONFIG_NAMESPACES and its parts',
    ),
    verdictOf(
      'nftables',
      facts.nftablesTrouble === undefined,
      'fail',
      facts.nftablesTrouble ?? 'answers',
      'modprobe nf_tables, and install nftables; without it only host-network pods have a network',
    ),
    seccompFinding(facts),
    cgroupFinding(facts),
    ...facts.binaries.map(binaryFinding),
    verdictOf(
      'IPv4 forwarding',
      facts.ipForward,
      'warn',
      facts.ipForward ? 'on' : 'off',
      'the daemon turns it on at start; for good: sysctl -w net.ipv4.ip_forward=1',
    ),
    verdictOf(
      'run directory',
      facts.runDir.fileSystem === 'tmpfs',
      'warn',
      `${facts.runDir.path} on ${facts.runDir.fileSystem === 'tmpfs' ? 'tmpfs' : 'a disk file system'}`,
      'what belongs to one boot must vanish with it: put runDir on a tmpfs',
    ),
    ...facts.ports.map(({ address, use, free }) =>
      verdictOf(
        `port for ${use}`,
        free,
        'warn',
        `${address} ${free ? 'free' : 'in use'}`,
        'fine while nodelet runs; otherwise choose another with metricsAddress',
      ),
    ),
  ];
}

/** The findings as a table, and the exit code they call for: 1 as soon as one fails. */
export function renderFindings(findings: readonly Finding[]): { text: string; exitCode: 0 | 1 } {
  const rows = findings.map(({ check, verdict, found, remedy }) => [verdict, check, found, remedy]);
  return {
    text: renderTable([['RESULT', 'CHECK', 'FOUND', 'REMEDY'], ...rows]),
    exitCode: findings.some(({ verdict }) => verdict === 'fail') ? 1 : 0,
  };
}

function verdictOf(
  check: string,
  good: boolean,
  otherwise: 'warn' | 'fail',
  found: string,
  remedy: string,
): Finding {
  return { check, verdict: good ? 'ok' : otherwise, found, remedy: good ? '' : remedy };
}

/** 5.11 is the first kernel whose overlayfs has all that layers need, `volatile` and user xattrs among it. */
function kernelFinding(kernelRelease: string): Finding {
  const recent = isAtLeast(kernelRelease, '5.11');
  return verdictOf('kernel', recent, 'warn', kernelRelease, 'tested with 5.11 and newer: upgrade the kernel');
}

const oldestNode = '20.19';

function nodeFinding(nodeVersion: string): Finding {
  const recent = isAtLeast(nodeVersion, oldestNode);
  return verdictOf('Node.js', recent, 'fail', nodeVersion, `install Node.js ${oldestNode} or newer`);
}

function seccompFinding({ seccomp }: MachineFacts): Finding {
  if (!seccomp.supported)
    return verdictOf(
      'seccomp',
      false,
      'warn',
      'not in the kernel',
      'containers run unconfined: use CONFIG_SECCOMP',
    );
  return verdictOf(
    'seccomp',
    seccomp.profilePath !== undefined,
    'warn',
    seccomp.profilePath ?? 'no profile of the distribution',
    'RuntimeDefault is nodelet’s own list of refused calls: apt-get install golang-github-containers-common for one of allowed calls',
  );
}

function cgroupFinding({ cgroup, fixHybridCgroups }: MachineFacts): Finding {
  const { version, strandedControllers } = cgroup;
  if (strandedControllers.length === 0) return verdictOf('cgroups', true, 'warn', version, '');
  const names = strandedControllers.join(',');
  const found = `${version}, not mounted as v1: ${names}`;
  return fixHybridCgroups
    ? verdictOf(
        'cgroups',
        false,
        'warn',
        found,
        'the daemon mounts them as v1 at start: crun refuses otherwise',
      )
    : verdictOf(
        'cgroups',
        false,
        'fail',
        found,
        'set fixHybridCgroups: true, or use runc: crun refuses this',
      );
}

function binaryFinding({ name, packageName, required, path, version }: BinaryFact): Finding {
  if (path === undefined) {
    return verdictOf(name, false, required ? 'fail' : 'warn', 'not found', `apt-get install ${packageName}`);
  }
  return verdictOf(name, true, 'fail', version === undefined ? path : `${path} (${version})`, '');
}
