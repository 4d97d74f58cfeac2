import fs from 'node:fs';
import os from 'node:os';
import path from 'node:path';
import { UndoStack } from '../../src/base/undo-stack.js';
import { createRandom } from '../../src/host/random.js';
import { runTool } from './processes.js';

/** Where one run works: a folder of its own, names nobody else has, and the undos of all that it made. */
export interface Workshop {
  /** Six hexadecimal digits in every name that the machine shares. */
  id: string;
  dir: string;
  /** A tmpfs, as /run is on a production machine. */
  runDir: string;
  undo: UndoStack;
  /** Aborted when the user has had enough. */
  signal: AbortSignal;
}

export async function openWorkshop(signal: AbortSignal): Promise<Workshop> {
  const id = createRandom().hex(3);
  const undo = new UndoStack();
  const dir = path.join(os.tmpdir(), `nodelet-bench-${id}`);
  fs.mkdirSync(dir, { mode: 0o711 });
  undo.push('work folder', async () => fs.rmSync(dir, { recursive: true, force: true }));
  const runDir = path.join(dir, 'run');
  fs.mkdirSync(runDir);
  await runTool('mount', '-t', 'tmpfs', '-o', 'mode=711', 'nodelet-bench', runDir);
  undo.push('tmpfs', async () => void (await runTool('umount', '--recursive', runDir)));
  return { id, dir, runDir, undo, signal };
}

/** A /24 for pods that hardly anybody uses: 10.200 to 10.254. */
export function randomSubnet(): string {
  const random = createRandom();
  const [net, part] = [200 + Math.floor(random.fraction() * 55), Math.floor(random.fraction() * 256)];
  return `10.${net}.${part}.0/24`;
}
