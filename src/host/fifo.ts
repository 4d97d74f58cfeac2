import fs from 'node:fs';
import { NodeletError } from '../base/errors.js';
import { absentAsUndefined } from './absent.js';

const { O_RDONLY, O_WRONLY, O_NONBLOCK } = fs.constants;
/** What a pipe holds at most, pipe(7). */
const pipeBytes = 65_536;

export async function writeToFifo(fifo: string, text: string): Promise<void> {
  const file = await fs.promises.open(fifo, O_WRONLY | O_NONBLOCK).catch((thrown: unknown) => {
    throw new NodeletError('wrong-state', `nobody reads ${fifo}`, { cause: thrown });
  });
  await file.write(text).finally(() => file.close());
}

/** Never waits: a reader that opens with O_NONBLOCK needs no writer, and reads EAGAIN where writers have left nothing. */
export async function takeFromFifo(fifo: string): Promise<string> {
  const file = await fs.promises.open(fifo, O_RDONLY | O_NONBLOCK).catch(absentAsUndefined);
  if (file === undefined) return '';
  try {
    if (!(await file.stat()).isFIFO()) return '';
    const { buffer, bytesRead } = await file.read(Buffer.alloc(pipeBytes), 0, pipeBytes, null);
    return buffer.toString('utf8', 0, bytesRead);
  } catch (thrown) {
    if ((thrown as NodeJS.ErrnoException).code === 'EAGAIN') return '';
    throw thrown;
  } finally {
    await file.close();
  }
}
