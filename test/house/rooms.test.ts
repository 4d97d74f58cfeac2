import path from 'node:path';
import { pathToFileURL } from 'node:url';
import { expect } from 'chai';
import { ESLint } from 'eslint';
import type { Linter } from 'eslint';
import { parser } from 'typescript-eslint';

interface HouseRules {
  roomRules: Linter.Config[];
  bans: Linter.Config;
}

/** What the house's own rules say about a file with this text; the file needn't exist. */
async function findings(filePath: string, text: string): Promise<string[]> {
  const config = pathToFileURL(path.resolve('eslint.config.mjs')).href;
  const { roomRules, bans } = (await import(config)) as HouseRules;
  const eslint = new ESLint({
    overrideConfigFile: true,
    overrideConfig: [{ files: ['**/*.ts'], languageOptions: { parser: parser } }, ...roomRules, bans],
  });
  const results = await eslint.lintText(text, { filePath });
  return results.flatMap(({ messages }) => messages.map(({ ruleId, message }) => ruleId ?? message));
}

const importing = (room: string): string => `import { x } from '../${room}/x.js';\nexport const y = x;\n`;

describe('house: the rules of the rooms', () => {
  for (const [from, to] of [
    ['base', 'ports'],
    ['spec', 'pods'],
    ['images', 'network'],
    ['network', 'runtime'],
    ['agent', 'cri'],
    ['cri', 'api'],
    ['pods', 'host'],
    ['cli', 'host'],
    ['host', 'telemetry'],
  ] as const) {
    it(`${from} may not import ${to}`, async () => {
      expect(await findings(`src/${from}/x.ts`, importing(to))).to.deep.equal(['no-restricted-imports']);
    });
  }

  for (const [from, to] of [
    ['pods', 'network'],
    ['agent', 'spec'],
    ['main', 'host'],
    ['host', 'ports'],
  ] as const) {
    it(`${from} may import ${to}`, async () => {
      expect(await findings(`src/${from}/x.ts`, importing(to))).to.deep.equal([]);
    });
  }

  it('keeps time, timers, chance and environment behind the ports', async () => {
    const text = 'export const x = [Date.now(), Math.random(), process.env.X, setTimeout];\n';
    expect(await findings('src/pods/x.ts', text)).to.have.lengthOf(4);
    expect(await findings('src/host/x.ts', text)).to.deep.equal([]);
  });
});
