import type { Command } from 'commander';
import type { ApiClient } from './api-client.js';
import { sizeText } from './image-table.js';
import { renderTable } from './pod-table.js';

export interface ImagePruneOptions {
  out: (text: string) => void;
  api: () => ApiClient;
}

interface VerdictShape {
  id: string;
  names: string[];
  verdict: 'removed' | 'kept';
  reason: string;
  freedBytes: number;
}

const shownIdChars = 12;

/** Adds `image prune`. */
export function addImagePrune(image: Command, { out, api }: ImagePruneOptions): void {
  image
    .command('prune')
    .description('remove images without a tag that nobody uses')
    .option('-a, --all', 'also those with a tag', false)
    .option('--dry-run', 'only tell what would become of each image', false)
    .option(
      '-f, --force',
      'accepted for scripts written for podman or docker: nothing is asked here anyway',
      false,
    )
    .action(async ({ all, dryRun }: { all: boolean; dryRun: boolean }) => {
      const verdicts = await api().json<VerdictShape[]>({
        method: 'POST',
        path: '/nodelet/v1/images/prune',
        query: { all: String(all), dryRun: String(dryRun) },
      });
      const freedBytes = verdicts.reduce((sum, verdict) => sum + verdict.freedBytes, 0);
      const rows = verdicts.map((verdict) => verdictRow(verdict, dryRun));
      out(renderTable([['IMAGE', 'ID', 'VERDICT', 'FREED', 'REASON'], ...rows]));
      out(`${dryRun ? 'would free' : 'freed'} ${freedBytes} bytes (${sizeText(freedBytes)})\n`);
    });
}

function verdictRow({ id, names, verdict, reason, freedBytes }: VerdictShape, dryRun: boolean): string[] {
  return [
    names.join(',') || '<none>',
    id.replace(/^sha256:/, '').slice(0, shownIdChars),
    verdict === 'removed' && dryRun ? 'would go' : verdict,
    verdict === 'removed' ? sizeText(freedBytes) : '-',
    reason,
  ];
}
