import { expect } from 'chai';
import { readRuntimeFeatures } from '../../src/runtime/runtime-features.js';

/** A runtime that answers these words, and knows no others. */
const answering = (answers: Record<string, string>) => (words: string[]) => {
  const stdout = answers[words.join(' ')];
  const text = Buffer.from(stdout ?? '');
  return Promise.resolve({ exitCode: stdout === undefined ? 1 : 0, stdout: text, stderr: Buffer.alloc(0) });
};
const features = (...mountOptions: string[]) => ({ features: JSON.stringify({ mountOptions }) });
const crun = (version: string) => ({ '--version': `crun version ${version}\ncommit: f8a0\n` });
const cases: [what: string, kernel: string, answers: Record<string, string>, expected: boolean][] = [
  ['a runtime that lists rro', '6.1.0-18-amd64', features('ro', 'rro'), true],
  ['a runtime that does not list it', '6.1.0-18-amd64', features('ro', 'rbind'), false],
  ['a runtime that lists nothing', '6.1.0', { features: '{}' }, false],
  ['the first kernel that can', '5.12.0-rc3', features('rro'), true],
  ['a kernel before that', '5.11.22', features('rro'), false],
  ['a kernel whose version can not be read', '', features('rro'), false],
  ['a crun before its features command', '6.1.0', crun('1.8.1'), true],
  ['a crun of which nobody knows', '6.1.0', crun('1.7.2'), false],
  ['a runtime that tells nothing', '6.1.0', {}, false],
];

describe('runtime: recursive read-only mounts', () => {
  for (const [what, kernel, answers, expected] of cases) {
    it(`${what}: ${expected ? 'can be' : 'can not be'}`, async () => {
      const told = await readRuntimeFeatures(answering(answers), kernel);
      expect(told.recursiveReadOnly).to.equal(expected);
    });
  }
});
