import fs from 'node:fs';
import path from 'node:path';
import { expect } from 'chai';
import { squeezed, titlesIn } from '../../hack/cri-matrix/problems.js';
import { protocolsOf } from '../../src/cri/streaming/upgrade-request.js';

const page = 'docs/streaming.md';

/** Links to tests of a page that name no test there is: each `[part of a title](../test/x.test.ts)`. */
function brokenLinks(text: string): string[] {
  return [...squeezed(text).matchAll(/\[([^\]]+)\]\((\.\.\/test\/[^)]+)\)/g)].flatMap(
    ([link, title = '', file = '']) => {
      const titles = titlesIn(path.join('docs', file));
      return titles.some((known) => known.includes(title)) ? [] : [link];
    },
  );
}

describe('house: the table of streaming protocols', () => {
  const text = fs.readFileSync(page, 'utf8');

  it('names tests that exist', () => {
    expect(brokenLinks(text)).to.deep.equal([]);
    expect(text.match(/\]\(\.\.\/test\//g)?.length).to.be.above(20);
  });

  it('has a row with a test for every protocol that is spoken', () => {
    const rows = text.split('\n').filter((line) => line.startsWith('|') && line.includes('](../test/'));
    const sections = text.split(/^## /m);
    for (const [kind, heading] of [
      ['exec', 'Exec and attach'],
      ['attach', 'Exec and attach'],
      ['portforward', 'Port-forward'],
    ] as const) {
      const section = sections.find((each) => each.startsWith(`${heading}\n`)) ?? '';
      const own = rows.filter((line) => section.includes(line));
      for (const [transport, protocols] of [
        ['SPDY/3.1', protocolsOf[kind].spdy],
        ['WebSocket', protocolsOf[kind].webSocket],
      ] as const)
        for (const protocol of protocols)
          expect(
            own.some((line) => line.startsWith(`| ${transport} `) && line.includes(`\`${protocol}\``)),
            `${kind} ${transport} ${protocol}`,
          ).to.equal(true);
    }
  });

  it('would tell a test that does not exist', () => {
    const link = '[never written](../test/house/streaming-table.test.ts)';
    expect(
      brokenLinks(`| ${link} | [the table of streaming](../test/house/streaming-table.test.ts) |`),
    ).to.deep.equal([link]);
  });
});
