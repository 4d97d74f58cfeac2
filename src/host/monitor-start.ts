import fs from 'node:fs';
import type { MonitorOptions } from '../ports/processes.js';
import type { ChildReaper } from './child-reaper.js';
import { closeFd } from './libc.js';
import { drain, readPipe } from './output-pipe.js';
import { throwIfAborted, whenOver } from './patience.js';
import { openPipe, spawn } from './posix-spawn.js';
import type { Child } from './posix-spawn.js';
import { SupervisedChild } from './supervised-child.js';

/** Numbers of the two pipes in the monitor. */
const monitorFds = { report: 3, start: 4 };
const maxTextBytes = 64 * 1024;

/** `Processes.startMonitor`: conmon's way of starting, conmon(8). */
export async function startMonitor(
  reaper: ChildReaper,
  options: MonitorOptions,
): Promise<{ report: string; stderr: string }> {
  throwIfAborted(options.signal);
  const { child, reportFd, errorFd } = await start(options);
  const supervised = new SupervisedChild(child, reaper.ended(child));
  let [report, stderr] = ['', ''];
  const reporting = readPipe(reportFd, (piece) => {
    report += piece.toString('utf8');
    if (report.includes('\n') || report.length > maxTextBytes) reporting.stop();
  });
  // The monitor holds stderr for its whole life: it is read only as far as the report.
  const errors = readPipe(errorFd, (piece) => {
    stderr = (stderr + piece.toString('utf8')).slice(0, maxTextBytes);
  });
  const cancel = whenOver(options.argv[0] ?? '', options, (reason) => {
    supervised.end(reason);
    reporting.stop();
  });
  try {
    await reporting.done;
    // Its parent process, which is our child, ends as soon as the monitor is on its own.
    await supervised.over;
    if (report === '') await drain([errors]);
  } finally {
    cancel();
    errors.stop();
  }
  await supervised.outcome();
  return { report: report.split('\n')[0] ?? '', stderr };
}

async function start({
  argv,
  cwd,
  env,
}: MonitorOptions): Promise<{ child: Child; reportFd: number; errorFd: number }> {
  const nullFd = fs.openSync('/dev/null', 'r+');
  const [report, go, errors] = [openPipe(), openPipe(), openPipe()];
  try {
    // Written while this end is open for reading, so that a monitor that has ended already breaks no pipe.
    fs.writeSync(go.writeFd, 'x');
    const child = await spawn({
      argv,
      cwd,
      env: { ...env, _OCI_SYNCPIPE: String(monitorFds.report), _OCI_STARTPIPE: String(monitorFds.start) },
      fds: [nullFd, nullFd, errors.writeFd, report.writeFd, go.readFd],
    });
    return { child, reportFd: report.readFd, errorFd: errors.readFd };
  } catch (thrown) {
    [report.readFd, errors.readFd].forEach((fd) => closeFd(fd));
    throw thrown;
  } finally {
    [nullFd, report.writeFd, go.readFd, go.writeFd, errors.writeFd].forEach((fd) => closeFd(fd));
  }
}
