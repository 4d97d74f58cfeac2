import { NodeletError } from '../../base/errors.js';
import type { CdiEdits, CdiSpec } from './cdi-spec.js';
import { splitCdiName } from './cdi-spec.js';

/** A CDI file as it was found; `priority` is that of its folder, the higher one wins. */
export interface CdiFile {
  path: string;
  priority: number;
  spec: CdiSpec | { trouble: string };
}

/** A device that a request asks for. */
export interface CdiRequest {
  /** `vendor/class=name`. */
  name: string;
  /** Path of the field that asks. */
  field: string;
}

/** Edits with the request that they are for, and the file that they come from. */
export interface GrantedEdits {
  edits: CdiEdits;
  field: string;
  file: string;
}

interface Found {
  file: CdiFile;
  spec: CdiSpec;
  edits: CdiEdits;
}

/**
 * The edits that the devices asked for take: those of each file once, before those of its first device. Of two files that have a device
 * the one of the folder with the higher priority counts; two in one folder contradict each other, and neither counts.
 */
export function cdiEdits(files: readonly CdiFile[], requests: readonly CdiRequest[]): GrantedEdits[] {
  const edits: GrantedEdits[] = [];
  const seen = new Set<string>();
  for (const { name, field } of requests) {
    if (seen.has(name)) continue;
    seen.add(name);
    const found = findDevice(files, { name, field });
    const { path } = found.file;
    if (!seen.has(path)) edits.push({ edits: found.spec.edits, field, file: path });
    seen.add(path);
    edits.push({ edits: found.edits, field, file: path });
  }
  return edits;
}

function findDevice(files: readonly CdiFile[], { name, field }: CdiRequest): Found {
  const wanted = splitCdiName(name);
  if (wanted === undefined) {
    throw new NodeletError('invalid', `"${name}" is not of the form vendor/class=device`, { field });
  }
  const found = files.flatMap((file): Found[] => {
    if ('trouble' in file.spec || file.spec.kind !== wanted.kind) return [];
    const device = file.spec.devices.find((other) => other.name === wanted.name);
    return device === undefined ? [] : [{ file, spec: file.spec, edits: device.edits }];
  });
  const highest = Math.max(...found.map(({ file }) => file.priority));
  const [first, second] = found.filter(({ file }) => file.priority === highest);
  if (first === undefined) throw unknownDevice(files, { name, field });
  if (second === undefined) return first;
  throw new NodeletError('wrong-state', `${first.file.path} and ${second.file.path} both have ${name}`, {
    field,
    remedy: 'remove one of them',
  });
}

function unknownDevice(files: readonly CdiFile[], { name, field }: CdiRequest): NodeletError {
  const troubles = files.flatMap(({ spec }) => ('trouble' in spec ? [spec.trouble] : []));
  const unread = troubles.length === 0 ? '' : `; not read: ${troubles.join('; ')}`;
  return new NodeletError('not-found', `no CDI file of this node has ${name}${unread}`, {
    field,
    remedy: "start what writes the device's CDI file, or name the folder in cdiDirs",
  });
}

const annotationPrefix = 'cdi.k8s.io/';

/** The devices of a request: those of its field, then those of annotations, by which older kubelets pass them on. */
export function cdiRequests(
  devices: readonly { name: string }[],
  annotations: Readonly<Record<string, string>>,
): CdiRequest[] {
  const named = devices.map(({ name }, index) => ({ name, field: `config.CDI_devices[${index}]` }));
  const annotated = Object.entries(annotations)
    .filter(([key]) => key.startsWith(annotationPrefix))
    .flatMap(([key, value]) =>
      value.split(',').map((name) => ({ name, field: `config.annotations["${key}"]` })),
    );
  return [...named, ...annotated];
}
