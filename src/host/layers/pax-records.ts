import { damaged } from './archive-error.js';

/** Extended headers by keyword, values in latin1; sparse maps of format 0.0 repeat theirs. */
export interface PaxRecords {
  values: Map<string, string>;
  /** GNU.sparse.offset and GNU.sparse.numbytes in order, format 0.0. */
  sparseMap: number[];
}

const noNul = new Set(['path', 'linkpath', 'uname', 'gname', 'GNU.sparse.name']);
const repeated = new Set(['GNU.sparse.offset', 'GNU.sparse.numbytes']);

/** Reads the body of an extended header, POSIX pax: records of `LENGTH KEYWORD=VALUE\n`. */
export function readPaxRecords(body: Buffer): PaxRecords {
  const records: PaxRecords = { values: new Map(), sparseMap: [] };
  let at = 0;
  while (at < body.length) {
    const space = body.indexOf(0x20, at);
    const digits = space < 0 ? '' : body.toString('latin1', at, space);
    const length = /^\d{1,10}$/.test(digits) ? Number(digits) : 0;
    const end = at + length;
    const equals = body.indexOf(0x3d, space);
    if (length === 0 || end > body.length || body[end - 1] !== 0x0a || equals < 0 || equals >= end - 1) {
      throw damaged('an extended header of the archive is malformed');
    }
    const key = body.toString('latin1', space + 1, equals);
    const value = body.toString('latin1', equals + 1, end - 1);
    if (noNul.has(key) && value.includes('\0'))
      throw damaged(`an extended header's ${key} holds a zero byte`);
    if (repeated.has(key)) records.sparseMap.push(paxNumber(key, value));
    else records.values.set(key, value);
    at = end;
  }
  return records;
}

/** A whole number that is not negative. */
export function paxNumber(key: string, value: string): number {
  const number = /^\d{1,16}$/.test(value) ? Number(value) : NaN;
  if (!Number.isSafeInteger(number)) throw damaged(`an extended header's ${key} is no number`);
  return number;
}

/** Seconds and nanoseconds of a decimal time; what is finer than a nanosecond is cut off, towards the past. */
export function paxTime(key: string, value: string): { sec: number; ns: number } {
  const [, sign = '', whole = '', fraction = ''] = /^(-?)(\d{1,12})(?:\.(\d*))?$/.exec(value) ?? [];
  if (whole === '') throw damaged(`an extended header's ${key} is no time`);
  const ns = Number(fraction.slice(0, 9).padEnd(9, '0'));
  if (sign === '') return { sec: Number(whole), ns };
  return ns === 0 ? { sec: -Number(whole), ns } : { sec: -Number(whole) - 1, ns: 1_000_000_000 - ns };
}
