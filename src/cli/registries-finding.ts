import { readFile } from 'node:fs/promises';
import { asNodeletError } from '../base/errors.js';
import { parseRegistriesFile } from '../spec/config/registries-file.js';
import type { Finding } from './doctor.js';

/** Whether the registries file can be read and means something; one that isn't there is fine. */
export async function registriesFinding(file: string): Promise<Finding> {
  const check = 'registries file';
  try {
    const rules = parseRegistriesFile(await readFile(file, 'utf8'), file);
    const names = rules.map(({ prefix }) => prefix).join(', ');
    return { check, verdict: 'ok', found: `${file}: ${names || 'nothing'}`, remedy: '' };
  } catch (thrown) {
    if ((thrown as NodeJS.ErrnoException).code === 'ENOENT') {
      return { check, verdict: 'ok', found: `no ${file}`, remedy: '' };
    }
    const remedy = 'mend it: the daemon goes on with the last good one, and without any it pulls nothing';
    return { check, verdict: 'warn', found: asNodeletError(thrown).describe(), remedy };
  }
}
