import { NodeletError, asNodeletError } from '../../base/errors.js';
import type { ContainerConfig } from '../../ports/cri/messages.js';
import type { Files } from '../../ports/files.js';
import type { CdiFile, GrantedEdits } from '../../spec/devices/cdi-catalog.js';
import { cdiEdits, cdiRequests } from '../../spec/devices/cdi-catalog.js';
import type { KnownNode } from '../../spec/devices/cdi-edits.js';
import { applyCdiEdits } from '../../spec/devices/cdi-edits.js';
import { parseCdiSpec } from '../../spec/devices/cdi-spec.js';
import type { OciSpec } from '../../spec/oci-spec-types.js';

type CdiFiles = Pick<Files, 'list' | 'read' | 'stat' | 'realPath'>;

/**
 * The spec with what the CDI devices of a request take. The folders are read anew for each request that names some: such
 * requests are rare, and device plugins write their files just before. Errors name the field that asks for the device.
 */
export async function withCdiDevices(
  spec: OciSpec,
  config: Pick<ContainerConfig, 'CDI_devices' | 'annotations'>,
  { files, dirs }: { files: CdiFiles; dirs: readonly string[] },
): Promise<OciSpec> {
  const requests = cdiRequests(config.CDI_devices, config.annotations);
  if (requests.length === 0) return spec;
  const granted = cdiEdits(await readCdiFiles(files, dirs), requests);
  const whole = await Promise.all(
    granted.map(async (one) => ({
      ...one,
      nodes: await Promise.all(one.edits.deviceNodes.map((node) => knownNode(files, node, one))),
    })),
  );
  return applyCdiEdits(spec, whole);
}

/** Folders in the order of their priority, the last one above all. */
async function readCdiFiles(files: CdiFiles, dirs: readonly string[]): Promise<CdiFile[]> {
  const found = await Promise.all(
    dirs.map(async (dir, priority) => {
      const names = (await files.list(dir)).filter((name) => /\.(json|yaml)$/.test(name));
      return Promise.all(names.map((name) => readCdiFile(files, `${dir}/${name}`, priority)));
    }),
  );
  return found.flat();
}

async function readCdiFile(files: CdiFiles, path: string, priority: number): Promise<CdiFile> {
  try {
    const text = (await files.read(path))?.toString('utf8') ?? '';
    return { path, priority, spec: parseCdiSpec(text, path) };
  } catch (thrown) {
    return { path, priority, spec: { trouble: asNodeletError(thrown).message } };
  }
}

/** The numbers of a device that its file doesn't tell are those of the device on the host. */
async function knownNode(
  files: CdiFiles,
  node: GrantedEdits['edits']['deviceNodes'][number],
  { field, file }: GrantedEdits,
): Promise<KnownNode> {
  const { type } = node;
  if (type === 'p' || (type !== undefined && node.major !== undefined && node.minor !== undefined)) {
    return { ...node, type };
  }
  const place = node.hostPath ?? node.path;
  const source = await files.realPath(place);
  const device = source === undefined ? undefined : (await files.stat(source))?.device;
  if (device === undefined || (type !== undefined && type !== device.type && type !== 'u')) {
    throw new NodeletError('not-found', `${file} tells of a device at ${place}, which is not there`, {
      field,
      remedy: 'check that the device is there, or have its CDI file written anew',
    });
  }
  return { ...node, ...device };
}
