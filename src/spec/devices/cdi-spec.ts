import { parseDocument } from 'yaml';
import { NodeletError } from '../../base/errors.js';
import type { OciIntelRdt } from '../oci-spec-types.js';
import { StrictPart } from '../strict-part.js';

/** Container Device Interface: what a vendor's file says to do to a container that gets a device (SPEC.md of CDI, up to 1.1). */
export interface CdiSpec {
  /** `vendor/class`. */
  kind: string;
  devices: { name: string; edits: CdiEdits }[];
  /** For a container that gets any of the devices, once. */
  edits: CdiEdits;
}

export interface CdiDeviceNode {
  path: string;
  /** Where it is on the host, if elsewhere. */
  hostPath: string | undefined;
  type: 'b' | 'c' | 'u' | 'p' | undefined;
  major: number | undefined;
  minor: number | undefined;
  fileMode: number | undefined;
  permissions: string;
  uid: number | undefined;
  gid: number | undefined;
}

export interface CdiHook {
  hookName: string;
  path: string;
  args: string[];
  env: string[];
  /** Seconds. */
  timeout: number | undefined;
}

export interface CdiMount {
  hostPath: string;
  containerPath: string;
  type: string;
  options: string[];
}

export interface CdiEdits {
  env: string[];
  deviceNodes: CdiDeviceNode[];
  mounts: CdiMount[];
  hooks: CdiHook[];
  additionalGids: number[];
  intelRdt: OciIntelRdt | undefined;
}

const versions = ['0.1.0', '0.2.0', '0.3.0', '0.4.0', '0.5.0', '0.6.0', '0.7.0', '0.8.0', '1.0.0', '1.1.0'];
const vendorForm = /^[A-Za-z]([\w.-]*[A-Za-z0-9])?$/;
const deviceForm = /^[A-Za-z0-9]([\w.:-]*[A-Za-z0-9])?$/;
const hookNames = [
  'prestart',
  'createRuntime',
  'createContainer',
  'startContainer',
  'poststart',
  'poststop',
] as const;

/** `vendor.com/class=name` taken apart; undefined when it isn't of that form. */
export function splitCdiName(text: string): { kind: string; name: string } | undefined {
  const match = /^([^/=]+)\/([^/=]+)=([^/=]+)$/.exec(text);
  const [, vendor = '', family = '', name = ''] = match ?? [];
  const isName = vendorForm.test(vendor) && vendorForm.test(family) && deviceForm.test(name);
  return isName ? { kind: `${vendor}/${family}`, name } : undefined;
}

/** Reads a CDI file, JSON or YAML; `invalid` naming the part that is unknown, missing or not of its type. */
export function parseCdiSpec(text: string, file: string): CdiSpec {
  const document = parseDocument(text);
  const [error] = document.errors;
  if (error !== undefined)
    throw new NodeletError('invalid', `${file}: ${error.message.split('\n')[0] ?? ''}`);
  const top = new StrictPart(document.toJS() as unknown, file);
  top.onlyKeys('cdiVersion', 'kind', 'annotations', 'devices', 'containerEdits');
  const version = top.member('cdiVersion').text();
  if (!versions.includes(version)) {
    throw top.member('cdiVersion').wrong(`one of ${versions.join(', ')}, not ${version}`);
  }
  const reader = new EditsReader(version);
  const kind = top.member('kind').text();
  const [vendor = '', family = '', more] = kind.split('/');
  if (!vendorForm.test(vendor) || !vendorForm.test(family) || more !== undefined) {
    throw top.member('kind').wrong('of the form vendor/class');
  }
  if (family.includes('.')) reader.needs('0.6.0', top.member('kind'), 'a class with dots');
  reader.annotations(top);
  const devices = top.member('devices').list();
  if (devices.length === 0) throw top.member('devices').wrong('a list of at least one device');
  const read = devices.map((part) => reader.device(part));
  const twice = read.find(({ name }, index) => read.findIndex((other) => other.name === name) !== index);
  if (twice !== undefined) throw top.member('devices').wrong(`without a second device "${twice.name}"`);
  return { kind, devices: read, edits: reader.edits(top.member('containerEdits')) };
}

/** Reads edits as far as the file's version has them: a newer field in an older file is one that its author can't mean. */
class EditsReader {
  constructor(private readonly version: string) {}

  needs(version: string, part: StrictPart, what: string): void {
    if (versions.indexOf(this.version) >= versions.indexOf(version)) return;
    throw part.wrong(`left out: ${what} needs cdiVersion ${version}, the file says ${this.version}`);
  }

  annotations(part: StrictPart): void {
    const annotations = part.member('annotations');
    if (annotations.isThere) this.needs('0.6.0', annotations, 'it');
    annotations.entries().forEach(([, value]) => value.text());
  }

  device(part: StrictPart): { name: string; edits: CdiEdits } {
    part.onlyKeys('name', 'annotations', 'containerEdits');
    const name = part.member('name').text();
    if (!deviceForm.test(name)) throw part.member('name').wrong('made of letters, digits and _ - . :');
    if (!/^[A-Za-z]/.test(name)) this.needs('0.5.0', part.member('name'), 'a name that begins with a digit');
    this.annotations(part);
    const edits = part.member('containerEdits');
    if (!edits.isThere || edits.entries().length === 0) throw edits.wrong('there, with something in it');
    return { name, edits: this.edits(edits) };
  }

  edits(part: StrictPart): CdiEdits {
    part.onlyKeys('env', 'deviceNodes', 'mounts', 'hooks', 'additionalGids', 'intelRdt', 'netDevices');
    for (const key of ['additionalGids', 'intelRdt'] as const) {
      if (part.member(key).isThere) this.needs('0.7.0', part.member(key), 'it');
    }
    const netDevices = part.member('netDevices');
    if (netDevices.isThere) {
      throw new NodeletError(
        'unsupported',
        `${netDevices.path}: network devices can't be given to containers`,
      );
    }
    return {
      env: part.member('env').list().map(variable),
      deviceNodes: part
        .member('deviceNodes')
        .list()
        .map((node) => this.deviceNode(node)),
      mounts: part
        .member('mounts')
        .list()
        .map((mount) => this.mount(mount)),
      hooks: part.member('hooks').list().map(hook),
      additionalGids: part
        .member('additionalGids')
        .list()
        .map((gid) => gid.count()),
      intelRdt: this.intelRdt(part.member('intelRdt')),
    };
  }

  private deviceNode(part: StrictPart): CdiDeviceNode {
    part.onlyKeys(...['path', 'hostPath', 'type', 'major', 'minor', 'fileMode', 'permissions', 'uid', 'gid']);
    const hostPath = part.member('hostPath');
    if (hostPath.isThere) this.needs('0.5.0', hostPath, 'it');
    const type = part.member('type').textOr('');
    if (!['', 'b', 'c', 'u', 'p'].includes(type)) throw part.member('type').wrong('b, c, u or p');
    const permissions = part.member('permissions').textOr('');
    if (!/^[rwm]*$/.test(permissions)) throw part.member('permissions').wrong('made of r, w and m');
    const numberOr = (key: string) => (part.member(key).isThere ? part.member(key).count() : undefined);
    return {
      path: part.member('path').absolutePath(),
      hostPath: hostPath.isThere ? hostPath.absolutePath() : undefined,
      type: type === '' ? undefined : (type as 'b' | 'c' | 'u' | 'p'),
      major: numberOr('major'),
      minor: numberOr('minor'),
      fileMode: numberOr('fileMode'),
      permissions: permissions === '' ? 'rwm' : permissions,
      uid: numberOr('uid'),
      gid: numberOr('gid'),
    };
  }

  private mount(part: StrictPart): CdiMount {
    part.onlyKeys('hostPath', 'containerPath', 'type', 'options');
    if (part.member('type').isThere) this.needs('0.4.0', part.member('type'), 'it');
    return {
      hostPath: part.member('hostPath').text(),
      containerPath: part.member('containerPath').absolutePath(),
      type: part.member('type').textOr(''),
      options: part.member('options').texts(),
    };
  }

  private intelRdt(part: StrictPart): OciIntelRdt | undefined {
    if (!part.isThere) return undefined;
    const texts = ['closID', 'l3CacheSchema', 'memBwSchema'] as const;
    const truths = ['enableCMT', 'enableMBM', 'enableMonitoring'] as const;
    part.onlyKeys(...texts, ...truths, 'schemata');
    for (const key of ['schemata', 'enableMonitoring']) {
      if (part.member(key).isThere) this.needs('1.1.0', part.member(key), 'it');
    }
    const closID = part.member('closID').textOr('');
    if (closID === '.' || closID === '..' || /[/\n]/.test(closID) || closID.length > 4096) {
      throw part.member('closID').wrong('the name of a folder');
    }
    const given = (key: string) => part.member(key).isThere;
    return {
      ...Object.fromEntries(texts.filter(given).map((key) => [key, part.member(key).text()])),
      ...Object.fromEntries(truths.filter(given).map((key) => [key, part.member(key).truth()])),
      ...(given('schemata') ? { schemata: part.member('schemata').texts() } : {}),
    };
  }
}

function variable(part: StrictPart): string {
  const text = part.text();
  if (text.indexOf('=') < 1) throw part.wrong('of the form NAME=value');
  return text;
}

function hook(part: StrictPart): CdiHook {
  part.onlyKeys('hookName', 'path', 'args', 'env', 'timeout');
  const hookName = part.member('hookName').text();
  if (!(hookNames as readonly string[]).includes(hookName)) {
    throw part.member('hookName').wrong(`one of ${hookNames.join(', ')}`);
  }
  return {
    hookName,
    path: part.member('path').absolutePath(),
    args: part.member('args').texts(),
    env: part.member('env').list().map(variable),
    timeout: part.member('timeout').isThere ? part.member('timeout').count() : undefined,
  };
}
