import type { TerminalSize } from '../ports/interactive-processes.js';
import type { MonitoredStart } from './container-runner.js';

/** Where one monitor finds its tools and leaves its files. */
export interface MonitorPlaces {
  conmon: string;
  /** The OCI runtime with its global options. */
  runtime: readonly string[];
  /** Folder of the files that hold exit codes. */
  exitDir: string;
  pidFile: string;
  monitorPidFile: string;
}

/** What is written into conmon's control pipe to have the log reopened: command 2, and two numbers that it ignores. */
export const reopenCommand = '2 0 0\n';

/** What is written there to give the container's terminal another size: command 1, then rows before columns. */
export const resizeCommand = ({ columns, rows }: TerminalSize): string => `1 ${rows} ${columns}\n`;

/** conmon's command line, conmon(8). */
export function monitorArgv(request: MonitoredStart, places: MonitorPlaces): string[] {
  const { id, bundle } = request;
  const [runtime = '', ...runtimeArgs] = places.runtime;
  return [
    places.conmon,
    ...['--api-version', '1', '-c', id, '-u', id, '-n', request.name],
    ...['-r', runtime, '-b', bundle, '-p', places.pidFile, '-P', places.monitorPidFile],
    ...['--exit-dir', places.exitDir, '--persist-dir', bundle, '--socket-dir-path', bundle],
    ...['--full-attach', '--log-level', 'error'],
    ...['-l', request.logPath === undefined ? 'none' : `k8s-file:${request.logPath}`],
    ...runtimeArgs.flatMap((arg) => ['--runtime-arg', arg]),
    ...(request.terminal ? ['-t'] : []),
    ...(request.stdin ? ['-i'] : []),
    ...(request.stdin && !request.stdinOnce ? ['--leave-stdin-open'] : []),
  ];
}

/** conmon's report: `{"data": PID}`, or `{"data": -1, "message": "…"}` where the runtime refused. */
export function parseReport(report: string): { data: number; message: string } {
  if (report === '') return { data: -1, message: '' };
  const parsed = JSON.parse(report) as { data: number; message?: string };
  return { data: parsed.data, message: parsed.message ?? '' };
}
