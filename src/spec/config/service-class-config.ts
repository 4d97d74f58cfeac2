import type { YAMLMap } from 'yaml';
import type { ConfigReader, Path, Rule } from './config-reader.js';
import { absolutePath, text } from './config-reader.js';
import type { BlockIoRule, RdtClass } from './node-config.js';
import { parseQuantity } from '../manifests/pod-quantity.js';

const weight: Rule = (value) =>
  Number.isInteger(value) && Number(value) >= 10 && Number(value) <= 1000
    ? undefined
    : 'must be a whole number from 10 to 1000';
/** `10M`, `64Mi` or a number: bytes or operations per second. */
const rate: Rule = (value) => {
  const amount = typeof value === 'string' || typeof value === 'number' ? parseQuantity(value) : undefined;
  return amount !== undefined && amount >= 1 && Number.isSafeInteger(Math.ceil(amount))
    ? undefined
    : 'must be a rate per second such as 10M or 500';
};
const rateKeys = ['throttleReadBps', 'throttleWriteBps', 'throttleReadIops', 'throttleWriteIops'] as const;

/** `blockIoClasses`: by name, a list of rules each of which holds for some devices. */
export function readBlockIoClasses(reader: ConfigReader, node: unknown): Record<string, BlockIoRule[]> {
  return readClasses(reader, node, 'blockIoClasses', (value, path) => {
    const rules = reader.listAt(value, path);
    if (rules.length === 0) reader.fail(path, 'must have at least one rule', value);
    return rules.map((item, index) => readRule(reader, item, [...path, index]));
  });
}

function readRule(reader: ConfigReader, node: unknown, path: Path): BlockIoRule {
  const map = reader.mapAt(node, path);
  const known = ['devices', 'weight', ...rateKeys];
  const rule: BlockIoRule = { devices: [] };
  for (const [key, value] of reader.entries(map, path, known)) {
    const at = [...path, key];
    if (key === 'devices') {
      const items = reader.listAt(value, at);
      rule.devices = items.map((item, index) => reader.value(item, [...at, index], absolutePath) as string);
    } else if (key === 'weight') rule.weight = reader.value(value, at, weight) as number;
    else {
      const amount = reader.value(value, at, rate) as string | number;
      rule[key as (typeof rateKeys)[number]] = Math.ceil(parseQuantity(amount) ?? 0);
    }
  }
  const isLimited = rateKeys.some((key) => rule[key] !== undefined);
  if (!isLimited && rule.weight === undefined) reader.fail(path, 'sets neither a weight nor a rate', node);
  if (isLimited && rule.devices.length === 0) reader.fail(path, 'a rate is for devices: name them', node);
  return rule;
}

/** `rdtClasses`: by name, the schemata of a group of resctrl. */
export function readRdtClasses(reader: ConfigReader, node: unknown): Record<string, RdtClass> {
  return readClasses(reader, node, 'rdtClasses', (value, path) =>
    reader.checked(reader.mapAt(value, path), path, { l3CacheSchema: text, memBwSchema: text }),
  );
}

/** A class's name is that of a folder in resctrl, and part of an annotation's value. */
function readClasses<Class>(
  reader: ConfigReader,
  node: unknown,
  key: string,
  read: (value: unknown, path: Path) => Class,
): Record<string, Class> {
  const map: YAMLMap = reader.mapAt(node, [key]);
  return Object.fromEntries(
    reader.entries(map, [key]).map(([name, value]) => {
      if (!/^\w[\w.-]*$/.test(name)) reader.fail([key, name], 'is no name of a class', value);
      return [name, read(value, [key, name])];
    }),
  );
}
