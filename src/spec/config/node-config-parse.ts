import type { YAMLMap } from 'yaml';
import { NodeletError } from '../../base/errors.js';
import type { Rule } from './config-reader.js';
import { ConfigReader, absolutePath, text, truth } from './config-reader.js';
import { defaultImageGc, readImageGc } from './image-gc-config.js';
import { defaultLayerLimits, readLayerLimits } from './layer-limits-config.js';
import type {
  ImagesConfigSection,
  LogsConfigSection,
  NetworkConfigSection,
  NodeConfig,
  RegistryConfig,
  RuntimeHandlerConfig,
  StatsConfigSection,
  StreamingConfigSection,
} from './node-config.js';
import { parseQuantity, quantityBytes } from '../manifests/pod-quantity.js';
import { readBlockIoClasses, readRdtClasses } from './service-class-config.js';

/** Keys that command-line flags can set; a flag wins over the file. */
export type NodeConfigOverrides = Partial<
  Pick<
    NodeConfig,
    | 'rootDir'
    | 'runDir'
    | 'criSocket'
    | 'apiSocket'
    | 'manifestDir'
    | 'podLogDir'
    | 'metricsAddress'
    | 'nodeName'
    | 'cgroupParent'
    | 'logLevel'
  >
>;

export interface NodeConfigParseOptions {
  /** What messages call the file. */
  fileName: string;
  /** Default of nodeName. */
  hostName: string;
  /** Whether /usr/sbin/runc or /usr/bin/runc is there: its path, as the handler `runc`. */
  runcPath?: string;
  overrides?: NodeConfigOverrides;
}

/**
 * The whole configuration from the text of config.yaml (empty text: all defaults) and flags. Defaults that
 * follow other values (sockets in runDir) follow their final value. Throws `invalid` with file, line and key
 * for an unknown key, a wrong type or a value that can't be.
 */
export function parseNodeConfig(text: string, options: NodeConfigParseOptions): NodeConfig {
  const reader = new ConfigReader(text, options.fileName);
  const given = readSections(reader);
  const flags = options.overrides ?? {};
  for (const [key, value] of Object.entries(flags)) {
    const flag = `--${key.replace(/[A-Z]/g, (letter) => `-${letter.toLowerCase()}`)}`;
    const problem = rules[key]?.(value);
    if (problem !== undefined) throw new NodeletError('invalid', problem, { field: flag });
  }
  const { network, streaming, stats, logs, images, ...top } = given;
  const merged = { ...top, ...flags };
  const runDir = merged.runDir ?? '/run/nodelet';
  const runtimes = merged.runtimes ?? {
    crun: { path: '/usr/bin/crun' },
    ...(options.runcPath === undefined ? {} : { runc: { path: options.runcPath } }),
  };
  const config: NodeConfig = {
    rootDir: '/var/lib/nodelet',
    criSocket: `${runDir}/nodelet.sock`,
    apiSocket: `${runDir}/api.sock`,
    manifestDir: '/etc/nodelet/manifests',
    podLogDir: '/var/log/pods',
    metricsAddress: '127.0.0.1:9477',
    nodeName: options.hostName,
    cgroupParent: '/nodelet',
    pauseImage: undefined,
    defaultRuntime: Object.keys(runtimes)[0] ?? 'crun',
    conmonPath: '/usr/bin/conmon',
    fixHybridCgroups: true,
    registries: [],
    registriesFile: '/etc/nodelet/registries.yaml',
    dockerConfig: '/root/.docker/config.json',
    cdiDirs: ['/etc/cdi', '/var/run/cdi'],
    blockIoClasses: {},
    rdtClasses: {},
    logLevel: 'info',
    ...merged,
    runDir,
    runtimes,
    network: { bridge: 'nodelet0', subnet: '10.88.0.0/16', mtu: 0, table: 'nodelet', ...network },
    streaming: { address: '127.0.0.1:0', tlsCert: undefined, tlsKey: undefined, ...streaming },
    stats: { housekeepingMs: 10_000, layerPeriodMs: 60_000, ...stats },
    logs: { maxSizeBytes: 10 * 2 ** 20, maxFiles: 5, checkPeriodMs: 2_000, ...logs },
    images: {
      downloadsPerPull: 3,
      maxDownloads: 12,
      foreignLayers: false,
      gc: defaultImageGc,
      limits: defaultLayerLimits,
      ...images,
    },
  };
  if (config.runtimes[config.defaultRuntime] === undefined) {
    const known = Object.keys(config.runtimes).join(', ');
    reader.fail(['defaultRuntime'], `no runtime is called ${config.defaultRuntime}; there are: ${known}`);
  }
  checkStreaming(config.streaming, reader);
  return config;
}

/** A token in the URL is all that guards a session, so in clear text it must not leave the machine. */
function checkStreaming({ address, tlsCert, tlsKey }: StreamingConfigSection, reader: ConfigReader): void {
  if ((tlsCert === undefined) !== (tlsKey === undefined)) {
    const missing = tlsCert === undefined ? 'tlsCert' : 'tlsKey';
    reader.fail(['streaming', missing], 'is required: a certificate and its key go together');
  }
  if (tlsCert === undefined && !/^(127\.\d+\.\d+\.\d+|\[::1\]|localhost):/.test(address)) {
    reader.fail(['streaming', 'address'], 'must have a loopback host, or tlsCert and tlsKey beside it');
  }
}

type Given = Partial<Omit<NodeConfig, 'network' | 'streaming' | 'stats' | 'logs' | 'images'>> & {
  network?: Partial<NetworkConfigSection>;
  streaming?: Partial<StreamingConfigSection>;
  stats?: Partial<StatsConfigSection>;
  logs?: Partial<LogsConfigSection>;
  images?: Partial<ImagesConfigSection>;
};
const oneOf =
  (...allowed: string[]): Rule =>
  (value) =>
    allowed.includes(value as string) ? undefined : `must be one of ${allowed.join(', ')}`;
const matching =
  (pattern: RegExp, what: string): Rule =>
  (value) =>
    typeof value === 'string' && pattern.test(value) ? undefined : `must be ${what}`;

const rules: Record<string, Rule> = {
  rootDir: absolutePath,
  runDir: absolutePath,
  criSocket: absolutePath,
  apiSocket: absolutePath,
  manifestDir: absolutePath,
  podLogDir: absolutePath,
  metricsAddress: (value) =>
    value === '' || isHostPort(value) ? undefined : 'must be HOST:PORT, or "" for none',
  nodeName: matching(/^[a-z0-9]([-a-z0-9.]{0,251}[a-z0-9])?$/, 'a DNS name in lower case'),
  cgroupParent: matching(/^\/[^/\s]+(\/[^/\s]+)*$/, 'a path such as /nodelet below the cgroup root'),
  pauseImage: text,
  defaultRuntime: text,
  conmonPath: absolutePath,
  fixHybridCgroups: truth,
  registriesFile: absolutePath,
  dockerConfig: absolutePath,
  logLevel: oneOf('debug', 'info', 'warn', 'error'),
};

const networkRules: Record<string, Rule> = {
  bridge: matching(/^[a-zA-Z][\w.-]{0,14}$/, 'an interface name of at most 15 characters'),
  subnet: subnetProblem,
  mtu: (value) =>
    value === 0 || (Number.isInteger(value) && Number(value) >= 576 && Number(value) <= 65_535)
      ? undefined
      : 'must be 0 (taken from the uplink) or 576 to 65535',
  table: matching(/^[a-zA-Z]\w{0,30}$/, 'an nft table name'),
};

const streamingRules: Record<string, Rule> = {
  address: (value) =>
    isHostPort(value) && !/^(0\.0\.0\.0|\[::\]):/.test(String(value))
      ? undefined
      : 'must be HOST:PORT, with the host that clients come to, such as 127.0.0.1:0',
  tlsCert: absolutePath,
  tlsKey: absolutePath,
};

/** Shorter periods would keep the daemon busy with nothing else, longer ones make rates that mislead. */
const period =
  (range: { leastMs: number; mostMs: number }): Rule =>
  (value) =>
    Number.isInteger(value) && Number(value) >= range.leastMs && Number(value) <= range.mostMs
      ? undefined
      : `must be a whole number of milliseconds, ${range.leastMs} to ${range.mostMs}`;

const statsRules: Record<string, Rule> = {
  housekeepingMs: period({ leastMs: 1_000, mostMs: 300_000 }),
  layerPeriodMs: period({ leastMs: 1_000, mostMs: 86_400_000 }),
};

const leastLogBytes = 16 * 1024;

const logsRules: Record<string, Rule> = {
  maxSize: (value) => {
    const isQuantity = typeof value === 'string' || typeof value === 'number';
    return isQuantity && (parseQuantity(value) ?? 0) >= leastLogBytes
      ? undefined
      : 'must be a quantity of bytes such as 10Mi, at least 16Ki';
  },
  maxFiles: (value) =>
    Number.isInteger(value) && Number(value) >= 2 && Number(value) <= 1000
      ? undefined
      : 'must be a whole number, 2 to 1000: the file that is being written and the one before',
  checkPeriodMs: period({ leastMs: 100, mostMs: 300_000 }),
};

function readLogs(reader: ConfigReader, map: YAMLMap): Partial<LogsConfigSection> {
  const { maxSize, ...rest } = reader.checked(map, ['logs'], logsRules);
  return {
    ...(rest as Partial<LogsConfigSection>),
    ...(maxSize === undefined ? {} : { maxSizeBytes: quantityBytes(maxSize as string | number) }),
  };
}

const downloads: Rule = (value) =>
  Number.isInteger(value) && Number(value) >= 1 && Number(value) <= 100
    ? undefined
    : 'must be a whole number from 1 to 100';

const imagesRules: Record<string, Rule> = {
  downloadsPerPull: downloads,
  maxDownloads: downloads,
  foreignLayers: truth,
};

function isHostPort(value: unknown): boolean {
  const port =
    typeof value === 'string' ? /^(\[[0-9a-fA-F:]+\]|[\w.-]+):(\d{1,5})$/.exec(value)?.[2] : undefined;
  return port !== undefined && Number(port) <= 65_535;
}

/** An IPv4 network with room for a gateway and pods, no host bits set. */
function subnetProblem(value: unknown): string | undefined {
  const match = typeof value === 'string' ? /^(\d+)\.(\d+)\.(\d+)\.(\d+)\/(\d+)$/.exec(value) : null;
  const numbers = (match ?? []).slice(1).map(Number);
  const prefix = numbers[4] ?? 33;
  if (match === null || numbers.slice(0, 4).some((octet) => octet > 255) || prefix > 32) {
    return 'must be an IPv4 subnet such as 10.88.0.0/16';
  }
  if (prefix < 8 || prefix > 29) return 'must have a prefix from /8 to /29';
  const address = numbers.slice(0, 4).reduce((sum, octet) => sum * 256 + octet, 0);
  const size = 2 ** (32 - prefix);
  const network = address - (address % size);
  if (network === address) return undefined;
  const octets = [24, 16, 8, 0].map((shift) => Math.floor(network / 2 ** shift) % 256);
  return `has bits set beyond its prefix; did you mean ${octets.join('.')}/${prefix}?`;
}

function readSections(reader: ConfigReader): Given {
  const root = reader.root;
  if (root === undefined) return {};
  const known = [
    ...Object.keys(rules),
    'network',
    'streaming',
    'stats',
    'logs',
    'images',
    'runtimes',
    'registries',
    'cdiDirs',
    'blockIoClasses',
    'rdtClasses',
  ];
  const given: Record<string, unknown> = {};
  for (const [key, node] of reader.entries(root, [], known)) {
    if (key === 'network') given[key] = reader.checked(reader.mapAt(node, [key]), [key], networkRules);
    else if (key === 'streaming')
      given[key] = reader.checked(reader.mapAt(node, [key]), [key], streamingRules);
    else if (key === 'stats') given[key] = reader.checked(reader.mapAt(node, [key]), [key], statsRules);
    else if (key === 'logs') given[key] = readLogs(reader, reader.mapAt(node, [key]));
    else if (key === 'images') given[key] = readImages(reader, reader.mapAt(node, [key]));
    else if (key === 'runtimes') given[key] = readRuntimes(reader, reader.mapAt(node, [key]));
    else if (key === 'registries') given[key] = readRegistries(reader, node);
    else if (key === 'cdiDirs') given[key] = readFolders(reader, node, key);
    else if (key === 'blockIoClasses') given[key] = readBlockIoClasses(reader, node);
    else if (key === 'rdtClasses') given[key] = readRdtClasses(reader, node);
    else given[key] = reader.value(node, [key], rules[key] ?? text);
  }
  return given;
}

function readFolders(reader: ConfigReader, node: unknown, key: string): string[] {
  return reader
    .listAt(node, [key])
    .map((item, index) => reader.value(item, [key, index], absolutePath) as string);
}

function readImages(reader: ConfigReader, map: YAMLMap): Partial<ImagesConfigSection> {
  const given: Record<string, unknown> = {};
  for (const [key, node] of reader.entries(map, ['images'], [...Object.keys(imagesRules), 'gc', 'limits'])) {
    const path = ['images', key];
    if (key === 'gc') given[key] = readImageGc(reader, reader.mapAt(node, path));
    else if (key === 'limits') given[key] = readLayerLimits(reader, reader.mapAt(node, path));
    else given[key] = reader.value(node, path, imagesRules[key] ?? text);
  }
  return given;
}

function readRuntimes(reader: ConfigReader, map: YAMLMap): Record<string, RuntimeHandlerConfig> {
  const runtimes: Record<string, RuntimeHandlerConfig> = {};
  for (const [handler, node] of reader.entries(map, ['runtimes'])) {
    const path = ['runtimes', handler];
    const { path: binary } = reader.checked(reader.mapAt(node, path), path, { path: absolutePath }, ['path']);
    runtimes[handler] = { path: binary as string };
  }
  if (Object.keys(runtimes).length === 0) reader.fail(['runtimes'], 'must name at least one runtime');
  return runtimes;
}

function readRegistries(reader: ConfigReader, node: unknown): RegistryConfig[] {
  const items = reader.listAt(node, ['registries']);
  return items.map((item, index) => {
    const path = ['registries', index];
    const found = reader.checked(reader.mapAt(item, path), path, { host: text, insecure: truth }, ['host']);
    return { host: found['host'] as string, insecure: (found['insecure'] ?? false) as boolean };
  });
}
