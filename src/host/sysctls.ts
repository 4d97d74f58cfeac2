import fs from 'node:fs/promises';
import type { Sysctls } from '../ports/sysctls.js';

const fileOf = (name: string) => `/proc/sys/${name.replaceAll('.', '/')}`;

export function createSysctls(): Sysctls {
  return {
    read: async (name) => (await fs.readFile(fileOf(name), 'utf8').catch(() => undefined))?.trim(),
    write: (name, value) => fs.writeFile(fileOf(name), value),
  };
}
