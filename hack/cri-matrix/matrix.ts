// Writes docs/cri.md from the interface and the verdict tables; with --check, only says whether it is as they are.
import fs from 'node:fs';
import { readInterface } from './interface-table.js';
import { pageOf } from './page.js';
import { problemsOf } from './problems.js';
import { readVerdicts } from './verdicts.js';

const page = 'docs/cri.md';
const asked = readInterface('test/data/cri-v1-interface.tsv');
const { verdicts, problems } = readVerdicts('docs/cri');
problems.push(...problemsOf(asked, verdicts, '.'));
const text = pageOf(asked, verdicts);
if (!process.argv.includes('--check')) fs.writeFileSync(page, text);
else if (!fs.existsSync(page) || fs.readFileSync(page, 'utf8') !== text) {
  problems.push(`${page} is not what the tables say: run npm run matrix`);
}
for (const problem of problems) console.error(`matrix: ${problem}`);
process.exitCode = problems.length === 0 ? 0 : 1;
