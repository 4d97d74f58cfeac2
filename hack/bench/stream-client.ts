import { runTask } from './stream-tasks.js';
import type { StreamTask } from './stream-tasks.js';

/** The program of the client's process: does one task after the other, as its parent sends them, and answers each. */
process.on('message', (task: StreamTask) => {
  runTask(task).then(
    (durationsMs) => process.send?.({ durationsMs }),
    (thrown: unknown) => process.send?.({ error: `${task.kind}: ${String(thrown)}` }),
  );
});
process.once('disconnect', () => process.exit());
