import type { ReadStream, WriteStream } from 'node:tty';
import type { Command } from 'commander';
import { stringify } from 'yaml';
import { NodeletError } from '../base/errors.js';
import type { TerminalModes } from '../ports/terminal-modes.js';
import type { ApiClient } from './api-client.js';
import { addAttach } from './attach-command.js';
import { addDelete } from './delete-command.js';
import { addExec } from './exec-command.js';
import type { EventShape, ListShape, PodShape } from './kube-shapes.js';
import type { ManifestText } from '../spec/manifests/manifest-set.js';
import { addLogs } from './logs-command.js';
import { readManifests } from './manifest-source.js';
import { describePod } from './pod-description.js';
import { namespaceFlag, podPath, podsPath, requirePodKind } from './pod-paths.js';
import { podTable } from './pod-table.js';
import { addPortForward } from './port-forward-command.js';

/** Where a command's output goes, and what it talks to. */
export interface CliSurface {
  out: (text: string | Uint8Array) => void;
  err: (text: string | Uint8Array) => void;
  stdin: NodeJS.ReadableStream;
  nowMs: () => number;
  /** Made on first use: the socket's flag must have been parsed by then. */
  api: () => ApiClient;
  setExitCode: (code: number) => void;
  /** Path of the API socket, read after the flags were parsed. */
  apiSocket: () => string;
  /** This process' own streams. */
  terminal: { stdin: ReadStream & { fd: number }; stdout: WriteStream; stderr: WriteStream };
  terminalModes: () => Promise<TerminalModes>;
}

/** Adds apply, get, describe, logs, exec, attach, port-forward and delete. */
export function addPodCommands(program: Command, surface: CliSurface): void {
  addApply(program, surface);
  addGet(program, surface);
  addDescribe(program, surface);
  addLogs(program, surface);
  addExec(program, surface);
  addAttach(program, surface);
  addPortForward(program, surface);
  addDelete(program, surface);
}

function addApply(program: Command, { out, stdin, api }: CliSurface): void {
  program
    .command('apply')
    .description('make the pods of a manifest run')
    .requiredOption('-f, --filename <path...>', 'files, folders, or - for standard input')
    .action(async ({ filename }: { filename: string[] }) => {
      const manifests: ManifestText[] = [];
      for (const path of filename) manifests.push(...(await readManifests(path, stdin)));
      const items = await api().json<{ name: string; namespace: string; action: string }[]>({
        method: 'POST',
        path: '/nodelet/v1/apply',
        body: { manifests },
      });
      for (const item of items) out(`pod/${item.name} ${item.action}\n`);
    });
}

function addGet(program: Command, { out, err, nowMs, api }: CliSurface): void {
  interface Flags {
    namespace: string;
    allNamespaces?: boolean;
    output?: string;
  }
  program
    .command('get')
    .description('show pods')
    .argument('<kind>', 'pods, or pod')
    .argument('[name]', 'only this pod')
    .option(...namespaceFlag)
    .option('-A, --all-namespaces', 'pods of every namespace')
    .option('-o, --output <format>', 'wide, json or yaml')
    .action(async (kind: string, name: string | undefined, flags: Flags) => {
      requirePodKind(kind);
      const { namespace, allNamespaces = false, output = '' } = flags;
      if (!['', 'wide', 'json', 'yaml'].includes(output)) {
        throw new NodeletError('invalid', `${output} is no format; use wide, json or yaml`, { field: '-o' });
      }
      if (name !== undefined && allNamespaces) {
        throw new NodeletError('invalid', 'a pod is fetched by name from one namespace', { field: '-A' });
      }
      const path = name === undefined ? podsPath(namespace) : podPath(namespace, name);
      const answer = await api().json<ListShape<PodShape> | PodShape>({
        method: 'GET',
        path: allNamespaces ? '/api/v1/pods' : path,
      });
      if (output === 'json') return out(`${JSON.stringify(answer, null, 2)}\n`);
      if (output === 'yaml') return out(stringify(answer));
      const pods = 'items' in answer ? answer.items : [answer];
      if (pods.length === 0)
        return err(allNamespaces ? 'No pods found.\n' : `No pods found in namespace ${namespace}.\n`);
      out(podTable(pods, { wide: output === 'wide', withNamespace: allNamespaces, nowMs: nowMs() }));
    });
}

function addDescribe(program: Command, { out, nowMs, api }: CliSurface): void {
  program
    .command('describe')
    .description('show everything about a pod')
    .argument('<kind>', 'pod')
    .argument('<name>')
    .option(...namespaceFlag)
    .action(async (kind: string, name: string, { namespace }: { namespace: string }) => {
      requirePodKind(kind);
      const pod = await api().json<PodShape>({ method: 'GET', path: podPath(namespace, name) });
      const events = await api().json<ListShape<EventShape>>({
        method: 'GET',
        path: `${podPath(namespace, name)}/events`,
      });
      out(describePod(pod, events.items, nowMs()));
    });
}
