import type { ContainerStatusShape, PodShape } from './kube-shapes.js';

/** Lines of left-aligned columns, three blanks between them, no blanks at the end. */
export function renderTable(rows: readonly (readonly string[])[]): string {
  const widths: number[] = [];
  for (const row of rows) {
    row.forEach((cell, column) => (widths[column] = Math.max(widths[column] ?? 0, cell.length)));
  }
  return rows
    .map(
      (row) =>
        `${row
          .map((cell, column) => cell.padEnd(widths[column] ?? 0))
          .join('   ')
          .trimEnd()}\n`,
    )
    .join('');
}

export interface PodTableOptions {
  wide: boolean;
  withNamespace: boolean;
  /** Milliseconds since the epoch, for the AGE column. */
  nowMs: number;
}

/** Pods as `kubectl get pods` shows them. */
export function podTable(pods: readonly PodShape[], { wide, withNamespace, nowMs }: PodTableOptions): string {
  const header = ['NAME', 'READY', 'STATUS', 'RESTARTS', 'AGE', ...(wide ? ['IP', 'NODE'] : [])];
  const rows = pods.map((pod) => {
    const statuses = pod.status?.containerStatuses ?? [];
    const total = pod.spec?.containers?.length ?? statuses.length;
    const cells = [
      pod.metadata.name,
      `${statuses.filter((one) => one.ready === true).length}/${total}`,
      podStatusWord(pod),
      String(statuses.reduce((sum, one) => sum + (one.restartCount ?? 0), 0)),
      ageText(pod.metadata.creationTimestamp, nowMs),
      ...(wide ? [pod.status?.podIP ?? '<none>', pod.spec?.nodeName ?? '<none>'] : []),
    ];
    return withNamespace ? [pod.metadata.namespace ?? 'default', ...cells] : cells;
  });
  return renderTable([withNamespace ? ['NAMESPACE', ...header] : header, ...rows]);
}

/** The one word that says most about a pod: what keeps it from running, else its phase. */
export function podStatusWord(pod: PodShape): string {
  if (pod.metadata.deletionTimestamp !== undefined) return 'Terminating';
  const init = pod.status?.initContainerStatuses ?? [];
  const pending = init.find((one) => one.state?.terminated?.exitCode !== 0);
  if (pending !== undefined && pod.status?.phase === 'Pending') {
    const why = troubleOf(pending);
    const done = init.indexOf(pending);
    return why === undefined ? `Init:${done}/${init.length}` : `Init:${why}`;
  }
  for (const status of pod.status?.containerStatuses ?? []) {
    const why = troubleOf(status);
    if (why !== undefined) return why;
  }
  return pod.status?.reason ?? pod.status?.phase ?? 'Unknown';
}

function troubleOf({ state }: ContainerStatusShape): string | undefined {
  if (state?.waiting?.reason !== undefined && state.waiting.reason !== 'PodInitializing') {
    return state.waiting.reason;
  }
  const ended = state?.terminated;
  if (ended === undefined || ended.exitCode === 0) return undefined;
  return ended.reason ?? 'Error';
}

/** How long ago a timestamp was, in the largest fitting unit: `42s`, `5m`, `3h`, `12d`. */
export function ageText(timestamp: string | undefined, nowMs: number): string {
  const startMs = timestamp === undefined ? NaN : Date.parse(timestamp);
  if (Number.isNaN(startMs)) return '<unknown>';
  const seconds = Math.max(0, Math.floor((nowMs - startMs) / 1000));
  if (seconds < 120) return `${seconds}s`;
  if (seconds < 7200) return `${Math.floor(seconds / 60)}m`;
  if (seconds < 172_800) return `${Math.floor(seconds / 3600)}h`;
  return `${Math.floor(seconds / 86_400)}d`;
}
