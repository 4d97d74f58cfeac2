import { fork } from 'node:child_process';
import { once } from 'node:events';
import { fileURLToPath } from 'node:url';
import type { StreamTask } from './stream-tasks.js';
import type { Workshop } from './workshop.js';

/** The client of all runtimes' streaming servers, in a process of its own: it must not share a thread with what measures. */
export interface StreamClientProcess {
  run(task: StreamTask): Promise<number[]>;
}

type Answer = { durationsMs: number[] } | { error: string };

export function startStreamClient({ undo, signal }: Workshop): StreamClientProcess {
  const child = fork(fileURLToPath(new URL('stream-client.js', import.meta.url)), { detached: true });
  const ended = once(child, 'exit');
  undo.push('stream client', async () => {
    child.kill('SIGKILL');
    await ended;
  });
  return {
    run: async (task) => {
      child.send(task);
      const [answer] = (await once(child, 'message', { signal })) as [Answer];
      if ('error' in answer) throw new Error(answer.error);
      return answer.durationsMs;
    },
  };
}
