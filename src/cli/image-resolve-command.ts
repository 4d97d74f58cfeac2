import type { Command } from 'commander';
import type { ResolveReport, SourceReport } from '../images/resolve-report.js';
import type { ApiClient } from './api-client.js';
import { renderTable } from './pod-table.js';

export interface ImageResolveOptions {
  out: (text: string) => void;
  api: () => ApiClient;
  setExitCode: (code: number) => void;
}

/** Adds `image resolve`: the daemon's own view of where an image comes from. Exit code 1 when it could be pulled from nowhere. */
export function addImageResolve(image: Command, { out, api, setExitCode }: ImageResolveOptions): void {
  image
    .command('resolve')
    .argument('<reference>')
    .description('show where an image would be pulled from, and try each place')
    .action(async (reference: string) => {
      const path = '/nodelet/v1/images/resolve';
      const report = await api().json<ResolveReport>({ method: 'GET', path, query: { reference } });
      out(renderReport(report));
      if (!report.sources.some(({ error }) => error === undefined)) setExitCode(1);
    });
}

export function renderReport({ reference, registriesProblem, sources }: ResolveReport): string {
  const problem =
    registriesProblem === undefined
      ? ''
      : `the registries file is broken, the last good one is in force: ${registriesProblem}\n`;
  const rows = sources.map((source) => [
    source.isMirror ? `mirror ${source.host}` : source.host,
    source.addresses.join(', '),
    connectionOf(source),
    source.login,
    source.error ?? `ok ${source.digest ?? ''} ${source.platform ?? ''}`.trim(),
  ]);
  return `${reference}\n${problem}${renderTable([['SOURCE', 'ADDRESS', 'TLS', 'LOGIN', 'RESULT'], ...rows])}`;
}

function connectionOf({ certificate, ca, clientCert }: SourceReport): string {
  if (certificate === undefined) return 'none';
  return [
    certificate === 'any' ? 'any certificate' : 'verified',
    ...(ca === undefined ? [] : [`CA ${ca}`]),
    ...(clientCert === undefined ? [] : [`client ${clientCert}`]),
  ].join(', ');
}
