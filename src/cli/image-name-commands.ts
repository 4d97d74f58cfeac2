import type { Command } from 'commander';
import type { HistoryStep } from '../images/image-history.js';
import type { RemovedName } from '../images/image-edits.js';
import type { ImagePruneOptions } from './image-prune-command.js';
import { sizeText } from './image-table.js';
import { renderTable } from './pod-table.js';

const shownStepChars = 60;

/** Adds `image tag`, `image history` and `image rm`. */
export function addImageNameCommands(image: Command, { out, api }: ImagePruneOptions): void {
  image
    .command('tag')
    .argument('<source>')
    .argument('<name>')
    .description('give an image one more name')
    .action(async (source: string, name: string) => {
      const path = '/nodelet/v1/images/tag';
      const tagged = await api().json<{ name: string }>({ method: 'POST', path, query: { source, name } });
      out(`${tagged.name}\n`);
    });
  image
    .command('history')
    .argument('<reference>')
    .description('show the steps that made an image, the newest first')
    .option('--no-trunc', 'steps as long as they are')
    .action(async (reference: string, { trunc }: { trunc: boolean }) => {
      const path = '/nodelet/v1/images/history';
      const steps = await api().json<HistoryStep[]>({ method: 'GET', path, query: { reference } });
      out(
        renderTable([
          ['CREATED', 'CREATED BY', 'SIZE', 'COMMENT'],
          ...steps.map((step) => stepRow(step, trunc)),
        ]),
      );
    });
  image
    .command('rm')
    .argument('<references...>')
    .description('take names away, and each image with the last of its names')
    .option('-f, --force', 'an image that is given by its id goes with all its names', false)
    .action(async (references: string[], { force }: { force: boolean }) => {
      for (const reference of references) {
        const query = { reference, force: String(force) };
        const { untagged, removed } = await api().json<RemovedName>({
          method: 'DELETE',
          path: '/nodelet/v1/images',
          query,
        });
        for (const name of untagged) out(`${name} untagged\n`);
        if (removed !== undefined) out(`${removed} removed\n`);
      }
    });
}

function stepRow({ created, createdBy, sizeBytes, comment }: HistoryStep, trunc: boolean): string[] {
  const step = createdBy.replace(/\s+/g, ' ').trim() || '<unknown>';
  const shown = trunc && step.length > shownStepChars ? `${step.slice(0, shownStepChars - 1)}…` : step;
  return [created || '<unknown>', shown, sizeText(sizeBytes), comment];
}
