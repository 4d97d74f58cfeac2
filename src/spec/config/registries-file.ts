import type { YAMLMap } from 'yaml';
import type { Path, Rule } from './config-reader.js';
import { ConfigReader, absolutePath, text, truth } from './config-reader.js';
import type { RegistryConfig } from './node-config.js';

/**
 * How a host is spoken to. `default`: https whose certificate is verified, and plain http on loopback. `either`: https
 * whose certificate isn't verified, else plain http.
 */
export type RegistryScheme = 'default' | 'https' | 'http' | 'skip-verify' | 'either';

/** A login as the registries file has it. */
export type RegistryFileLogin =
  | { kind: 'password'; username: string; password: string }
  | { kind: 'refresh-token'; token: string }
  | { kind: 'bearer'; token: string };

/** How to reach one host; files are PEM, read anew for each pull. */
export interface RegistryHostConfig {
  scheme: RegistryScheme;
  /** Certificates that are trusted beside the well-known ones. */
  ca: string | undefined;
  clientCert: string | undefined;
  clientKey: string | undefined;
  auth: RegistryFileLogin | undefined;
}

export interface RegistryMirror extends RegistryHostConfig {
  /** `mirror.lan:5000` */
  host: string;
  /** Goes before the repository's path on the mirror: `hub` makes `hub/library/nginx`. Empty for none. */
  path: string;
}

/** What the registries file says of the references that begin with `prefix`. */
export interface RegistryRule extends RegistryHostConfig {
  /** `docker.io`, `registry.lan:5000/team`, `*.corp.lan`. */
  prefix: string;
  /** Nothing is pulled from there. */
  blocked: boolean;
  /** In the order in which they are tried, all before the registry itself. */
  mirrors: RegistryMirror[];
}

const label = '[a-zA-Z0-9](?:[a-zA-Z0-9-]*[a-zA-Z0-9])?';
const hostPattern = `(?:${label}(?:\\.${label})*|\\[[0-9a-fA-F:]+\\])(?::[0-9]{1,5})?`;
const repositoryPattern = '[a-z0-9]+(?:[._/-]+[a-z0-9]+)*';
const hostForm = new RegExp(`^${hostPattern}$`);
const prefixForm = new RegExp(`^(?:\\*\\.)?${hostPattern}(?:/${repositoryPattern})?$`);
const pathForm = new RegExp(`^${repositoryPattern}$`);

const matching =
  (form: RegExp, what: string): Rule =>
  (value) =>
    typeof value === 'string' && form.test(value) ? undefined : `must be ${what}`;

const hostRules: Record<string, Rule> = {
  insecure: truth,
  http: truth,
  skipVerify: truth,
  ca: absolutePath,
  clientCert: absolutePath,
  clientKey: absolutePath,
};
const loginRules: Record<string, Rule> = {
  username: matching(/^[^:]+$/, 'a name without a colon'),
  password: text,
  identityToken: text,
  registryToken: text,
};

/** The rules of the text of registries.yaml (empty: none). Throws `invalid` with file, line and key. */
export function parseRegistriesFile(content: string, fileName: string): RegistryRule[] {
  const reader = new ConfigReader(content, fileName);
  if (reader.root === undefined) return [];
  const rules: RegistryRule[] = [];
  for (const [key, node] of reader.entries(reader.root, [], ['registries'])) {
    for (const [prefix, settings] of reader.entries(reader.mapAt(node, [key]), [key])) {
      const path = [key, prefix];
      if (!prefixForm.test(prefix)) {
        reader.fail(path, 'must be a registry, such as docker.io, registry.lan:5000/team or *.corp.lan');
      }
      rules.push(readRule(reader, prefix, reader.mapAt(settings, path), path));
    }
  }
  return rules;
}

function readRule(reader: ConfigReader, prefix: string, map: YAMLMap, path: Path): RegistryRule {
  const { host, others } = readHost(reader, map, path, { blocked: truth }, ['mirrors']);
  const list = others.get('mirrors');
  const mirrors = list === undefined ? [] : reader.listAt(list, [...path, 'mirrors']);
  const blocked = others.get('blocked') === true;
  if (blocked && mirrors.length > 0) {
    reader.fail([...path, 'mirrors'], 'has no meaning beside blocked: nothing is pulled from there', list);
  }
  return {
    prefix,
    blocked,
    ...host,
    mirrors: mirrors.map((node, index) => readMirror(reader, node, [...path, 'mirrors', index])),
  };
}

function readMirror(reader: ConfigReader, node: unknown, path: Path): RegistryMirror {
  const map = reader.mapAt(node, path);
  const { host: settings, others } = readHost(reader, map, path, {
    host: matching(hostForm, 'a host with an optional port, such as mirror.lan:5000'),
    path: matching(pathForm, 'a path of repositories, such as hub'),
  });
  const host = others.get('host');
  if (host === undefined) reader.fail([...path, 'host'], 'is required', map);
  return { host: host as string, path: (others.get('path') ?? '') as string, ...settings };
}

/** The keys that registries and mirrors share, and by name the others that `more` and `nodes` allow. */
function readHost(
  reader: ConfigReader,
  map: YAMLMap,
  path: Path,
  more: Record<string, Rule>,
  nodes: readonly string[] = [],
): { host: RegistryHostConfig; others: Map<string, unknown> } {
  const wanted = { ...hostRules, ...more };
  const found = new Map<string, unknown>();
  let auth: RegistryFileLogin | undefined;
  for (const [key, node] of reader.entries(map, path, [...Object.keys(wanted), 'auth', ...nodes])) {
    const at = [...path, key];
    const rule = wanted[key];
    if (key === 'auth') auth = readLogin(reader, reader.mapAt(node, at), at);
    else found.set(key, rule === undefined ? node : reader.value(node, at, rule));
  }
  const scheme = readScheme(reader, found, map, path);
  const file = (key: string) => found.get(key) as string | undefined;
  const [ca, clientCert, clientKey] = [file('ca'), file('clientCert'), file('clientKey')];
  if ((clientCert === undefined) !== (clientKey === undefined)) {
    const missing = clientCert === undefined ? 'clientCert' : 'clientKey';
    reader.fail([...path, missing], 'is required: a certificate and its key go together', map);
  }
  if (scheme === 'http' && (ca ?? clientCert) !== undefined) {
    reader.fail([...path, 'http'], 'excludes certificates, which plain http has no use for', map);
  }
  return { host: { scheme, ca, clientCert, clientKey, auth }, others: found };
}

function readScheme(
  reader: ConfigReader,
  found: ReadonlyMap<string, unknown>,
  map: YAMLMap,
  path: Path,
): RegistryScheme {
  const schemes = { insecure: 'either', http: 'http', skipVerify: 'skip-verify' } as const;
  const chosen = (Object.keys(schemes) as (keyof typeof schemes)[]).filter((key) => found.get(key) === true);
  const [first, second] = chosen;
  if (second !== undefined) reader.fail([...path, second], `can't stand beside ${first}`, map);
  if (first !== undefined) return schemes[first];
  const wantsTls = found.get('http') === false || found.has('ca') || found.has('clientCert');
  return wantsTls ? 'https' : 'default';
}

function readLogin(reader: ConfigReader, map: YAMLMap, path: Path): RegistryFileLogin {
  const { username, password, identityToken, registryToken } = reader.checked(
    map,
    path,
    loginRules,
  ) as Partial<Record<string, string>>;
  const logins: RegistryFileLogin[] = [];
  if (username !== undefined && password !== undefined) logins.push({ kind: 'password', username, password });
  else if (username !== undefined) reader.fail([...path, 'password'], 'is required beside username', map);
  else if (password !== undefined) reader.fail([...path, 'username'], 'is required beside password', map);
  if (identityToken !== undefined) logins.push({ kind: 'refresh-token', token: identityToken });
  if (registryToken !== undefined) logins.push({ kind: 'bearer', token: registryToken });
  const [login, other] = logins;
  if (login === undefined || other !== undefined) {
    reader.fail(path, 'must be username and password, or identityToken, or registryToken', map);
  }
  return login;
}

/** The list in config.yaml in the words of the registries file. */
export function rulesOfConfig(registries: readonly RegistryConfig[]): RegistryRule[] {
  return registries.map(({ host, insecure }) => ({
    prefix: host,
    blocked: false,
    mirrors: [],
    scheme: insecure ? 'either' : 'default',
    ca: undefined,
    clientCert: undefined,
    clientKey: undefined,
    auth: undefined,
  }));
}
