import { expect } from 'chai';
import fc from 'fast-check';
import { LogLines } from '../../src/cli/log-lines.js';

const anyText = fc
  .array(fc.oneof(fc.string({ maxLength: 8 }), fc.constant('x'.repeat(70_000))), { maxLength: 12 })
  .map((lines) => lines.map((line) => line.replaceAll('\n', '') || '-').join('\n'));

describe('printing several logs at once', () => {
  it('keeps the lines of each whole, behind its prefix and in order, however they come', async () => {
    const anyLogs = fc.array(fc.record({ text: anyText, cut: fc.constantFrom(50, 5000, 90_000) }), {
      minLength: 1,
      maxLength: 4,
    });
    await fc.assert(
      fc.asyncProperty(anyLogs, async (logs) => {
        let out = '';
        const lines = new LogLines(async (bytes) => {
          await Promise.resolve();
          out += bytes.toString();
        });
        await Promise.all(
          logs.map(async ({ text, cut }, index) => {
            const printer = lines.printer(`[${index}] `);
            for (let at = 0; at < text.length; at += cut)
              await printer.write(Buffer.from(text.slice(at, at + cut)));
            await printer.end();
          }),
        );
        const printed = out.split('\n').slice(0, -1);
        for (const [index, { text }] of logs.entries()) {
          const own = printed.filter((line) => line.startsWith(`[${index}] `)).map((line) => line.slice(4));
          const wanted = text === '' ? [] : text.split('\n');
          expect(own.join('\n') === wanted.join('\n')).to.equal(true);
        }
        const count = logs.reduce((sum, { text }) => sum + (text === '' ? 0 : text.split('\n').length), 0);
        expect(printed).to.have.length(count);
      }),
      { numRuns: 20, endOnFailure: true },
    );
  }).timeout(60_000);

  it('prints a line that is too long to keep as it comes, while the others wait for its end', async () => {
    let out = '';
    const lines = new LogLines((bytes) => void (out += bytes.toString()));
    const [long, short] = [lines.printer('[a] '), lines.printer('[b] ')];
    await long.write(Buffer.alloc(70_000, 'x'));
    expect(out).to.equal(`[a] ${'x'.repeat(70_000)}`);
    const waiting = short.write(Buffer.from('two\n'));
    await long.write(Buffer.from('end\n'));
    await waiting;
    expect(out.slice(70_004)).to.equal('end\n[b] two\n');
  });
});
