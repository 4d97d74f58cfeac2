import type { Command } from 'commander';
import { NodeletError, isKind } from '../base/errors.js';
import type { ApiClient } from './api-client.js';
import { parseDetachKeys } from './detach-keys.js';
import type { ContainerShape, PodShape } from './kube-shapes.js';
import type { CliSurface } from './pod-commands.js';
import { namespaceFlag, podNameOf, podPath } from './pod-paths.js';
import { joinSession, offersTerminal } from './terminal-session.js';
import type { StreamFlags } from './terminal-session.js';

interface Flags extends StreamFlags {
  namespace: string;
  container?: string;
  detachKeys: string;
}

const pollMs = 100;
/** How long the agent may take to hear of the end of a container. */
const endPatienceMs = 10_000;

/** Adds `attach`: the container's own streams or terminal, until it ends or the keys to detach are typed. */
export function addAttach(program: Command, surface: CliSurface): void {
  program
    .command('attach')
    .description("join a container's own input and output")
    .argument('<pod>', 'POD, or pod/POD')
    .option(...namespaceFlag)
    .option('-c, --container <name>', 'needed where the pod has several')
    .option('-i, --stdin', 'pass standard input on')
    .option('-t, --tty', "use this terminal as the container's, sized and typed into alike")
    .option(
      '--detach-keys <keys>',
      'typed with -it, leave the container running; empty for none',
      'ctrl-p,ctrl-q',
    )
    .option('-q, --quiet', 'print nothing but what the container prints')
    .action(async (pod: string, flags: Flags) => {
      const detachKeys = parseDetachKeys(flags.detachKeys);
      const path = podPath(flags.namespace, podNameOf(pod));
      const found = await surface.api().json<PodShape>({ method: 'GET', path });
      const container = containerOf(found, flags.container);
      const hint = (text: string): void => (flags.quiet === true ? undefined : surface.err(text));
      const raw = containerTerminal(container, { surface, flags, hint });
      if (raw) hint("If you don't see a command prompt, try pressing enter.\n");
      const end = await joinSession(surface, {
        path: `${path}/attach`,
        container: container.name,
        stdin: flags.stdin === true,
        tty: container.tty === true,
        raw,
        detachKeys,
      });
      if (end === 'detached') return hint(`detached: container ${container.name} goes on\n`);
      surface.setExitCode(
        await exitCodeOf(surface.api(), { path, before: found, container: container.name }),
      );
    });
}

function containerOf({ spec }: PodShape, wanted: string | undefined): ContainerShape {
  const main = spec?.containers ?? [];
  const all = [...main, ...(spec?.initContainers ?? [])];
  const names = all.map(({ name }) => name).join(', ');
  const [only, ...more] = main;
  if (wanted === undefined && only !== undefined && more.length === 0) return only;
  const found = all.find(({ name }) => name === wanted);
  if (found !== undefined) return found;
  throw wanted === undefined
    ? new NodeletError('invalid', `a container must be named, one of: ${names}`, { field: '-c' })
    : new NodeletError('not-found', `the pod has no container ${wanted}, only: ${names}`, { field: '-c' });
}

/** Whether this terminal becomes the container's; says so where only one of the two is there. */
function containerTerminal(
  container: ContainerShape,
  { surface, flags, hint }: { surface: CliSurface; flags: Flags; hint: (text: string) => void },
): boolean {
  if (container.tty === true) {
    if (flags.tty !== true)
      hint(`container ${container.name} has a terminal: with -it it is sized and typed into like this one\n`);
    return offersTerminal(surface, flags);
  }
  if (flags.tty === true) hint(`Unable to use a TTY - container ${container.name} did not allocate one\n`);
  return false;
}

/** The exit code of the run that was attached to: the agent tells it a moment after the streams have ended. */
async function exitCodeOf(
  api: ApiClient,
  { path, before, container }: { path: string; before: PodShape; container: string },
): Promise<number> {
  const statusIn = ({ status }: PodShape) =>
    [...(status?.containerStatuses ?? []), ...(status?.initContainerStatuses ?? [])].find(
      ({ name }) => name === container,
    );
  const id = statusIn(before)?.containerID;
  const unknown = (why: string): NodeletError =>
    new NodeletError(
      'unavailable',
      `container ${container} has ended, but its exit code is not known: ${why}`,
    );
  const deadlineMs = Date.now() + endPatienceMs;
  while (Date.now() < deadlineMs) {
    const pod = await api.json<PodShape>({ method: 'GET', path }).catch((thrown: unknown) => {
      throw isKind(thrown, 'not-found') ? unknown('the pod is gone') : thrown;
    });
    const { state, lastState, containerID } = statusIn(pod) ?? {};
    for (const ended of [state?.terminated, lastState?.terminated])
      if (ended?.containerID === id && ended !== undefined) return ended.exitCode;
    if (containerID !== id) throw unknown('another one runs in its place');
    await new Promise((resolve) => setTimeout(resolve, pollMs));
  }
  throw unknown('the daemon does not tell');
}
