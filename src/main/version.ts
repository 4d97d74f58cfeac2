import fs from 'node:fs';

/** The version in package.json, found from dist/src/main/. */
export function packageVersion(): string {
  const file = new URL('../../../package.json', import.meta.url);
  const parsed = JSON.parse(fs.readFileSync(file, 'utf8')) as { version: string };
  return parsed.version;
}
