import { expect } from 'chai';
import fc from 'fast-check';
import {
  halfPackedName,
  nextRotatedName,
  packedName,
  parseRotatedLog,
  rotatedLogs,
} from '../../../src/agent/logs/log-files.js';

const at = Date.UTC(2026, 0, 31, 23, 59, 59, 123);

describe('the names of rotated logs', () => {
  it('tell when a file was rotated, in UTC and to the millisecond', () => {
    expect(nextRotatedName('0.log', [], at)).to.equal('0.log.20260131-235959.123');
  });

  it('are read as nodelet and as a kubelet write them, packed or not', () => {
    expect(parseRotatedLog('0.log', '0.log.20260131-235959.123')).to.deep.equal({
      name: '0.log.20260131-235959.123',
      stamp: '20260131-235959.123',
      packed: false,
    });
    expect(parseRotatedLog('0.log', '0.log.20260131-235959.gz')).to.deep.equal({
      name: '0.log.20260131-235959.gz',
      stamp: '20260131-235959.000',
      packed: true,
    });
  });

  for (const name of [
    '0.log',
    '10.log.20260131-235959',
    '1.log.20260131-235959.123',
    '0.log.20260131-235959.123.gz.tmp',
    '0.log.20260131-235959.12',
    '0.log.old',
    '0.log.tmp',
  ])
    it(`leave ${name} alone`, () => expect(parseRotatedLog('0.log', name)).to.equal(undefined));

  it('put foreign files in their place', () => {
    const names = [
      '0.log.20260131-235959.500.gz',
      '0.log.20260131-235959.gz',
      '0.log',
      '0.log.20260201-000000',
      '0.log.20251231-235959.999',
    ];
    expect(rotatedLogs('0.log', names).map(({ name }) => name)).to.deep.equal([
      '0.log.20251231-235959.999',
      '0.log.20260131-235959.gz',
      '0.log.20260131-235959.500.gz',
      '0.log.20260201-000000',
    ]);
  });

  it('count a file once whose packing was cut short', () => {
    const name = '0.log.20260131-235959.123';
    const names = [packedName(name), name, halfPackedName(name)];
    expect(rotatedLogs('0.log', names)).to.deep.equal([parseRotatedLog('0.log', name)]);
    expect(rotatedLogs('0.log', [...names].reverse())).to.deep.equal([parseRotatedLog('0.log', name)]);
  });

  it('keep their order when the clock is set back, whatever became of the files before', () => {
    const times = fc.array(
      fc.record({
        nowMs: fc.integer({ min: Date.UTC(1971), max: Date.UTC(2099) }),
        fate: fc.constantFrom('plain', 'packed', 'halfPacked'),
      }),
      { maxLength: 12 },
    );
    fc.assert(
      fc.property(times, (rotations) => {
        const made: string[] = [];
        const folder: string[] = ['0.log'];
        for (const { nowMs, fate } of rotations) {
          const name = nextRotatedName('0.log', folder, nowMs);
          made.push(name);
          folder.push(
            fate === 'packed' ? packedName(name) : fate === 'halfPacked' ? halfPackedName(name) : name,
          );
        }
        expect([...made].sort()).to.deep.equal(made);
        expect(new Set(made).size).to.equal(made.length);
        const readable = folder.filter((name) => !name.endsWith('.tmp')).slice(1);
        expect(rotatedLogs('0.log', folder).map(({ name }) => name)).to.deep.equal(readable);
      }),
    );
  });
});
