import fs from 'node:fs';
import os from 'node:os';
import path from 'node:path';
import { expect } from 'chai';
import descriptor from 'protobufjs/ext/descriptor/index.js';
import type {
  IDescriptorProto,
  IEnumDescriptorProto,
  IFieldDescriptorProto,
  IFileDescriptorProto,
} from 'protobufjs/ext/descriptor/index.js';
import { loadCriDefinitions, methodsOf, protoPath } from '../../src/cri/definitions.js';
import type { CriServiceName } from '../../src/cri/definitions.js';

const root = path.dirname(path.dirname(protoPath()));
const factsPath = path.join(root, 'test/data/cri-v1-interface.tsv');
/** Where the team keeps the original of that table; absent elsewhere. */
const originalFacts = path.join(root, '../shared/cri/v1-interface.tsv');
const packageName = 'runtime.v1';

/** The public interface as rows `kind owner name number type label`, tab-separated. */
function factRows(): string[] {
  const lines = fs.readFileSync(factsPath, 'utf8').split('\n');
  return lines.filter((line) => line !== '' && !line.startsWith('#'));
}

/** The file descriptor that the loader hands to gRPC with every message: what the server speaks. */
function loadedFile(file = protoPath()): IFileDescriptorProto {
  const { requestType } = methodOf('RuntimeService', 'Version', file);
  const [bytes] = requestType.fileDescriptorProtos;
  return descriptor.FileDescriptorProto.decode(bytes ?? new Uint8Array()) as IFileDescriptorProto;
}

function methodOf(service: CriServiceName, rpc: string, file = protoPath()) {
  const method = methodsOf(loadCriDefinitions(file)[service])[rpc];
  if (method === undefined) throw new Error(`${rpc} is not loaded`);
  return method as typeof method & { requestType: { fileDescriptorProtos: Uint8Array[] } };
}

/** Of FieldDescriptorProto.Type, descriptor.proto. */
const scalarTypes: Record<number, string> = {
  1: 'double',
  3: 'int64',
  4: 'uint64',
  5: 'int32',
  8: 'bool',
  9: 'string',
  12: 'bytes',
  13: 'uint32',
};
const repeatedLabel = 3;
const plainName = (name = ''): string => name.replace(`.${packageName}.`, '').split('.').at(-1) ?? '';

function rowsOf(file: IFileDescriptorProto): string[] {
  expect(file.package).to.equal(packageName);
  expect(file.syntax).to.equal('proto3');
  return [
    ...(file.service ?? []).flatMap(({ name, method }) =>
      (method ?? []).map((rpc) => {
        const request = (rpc.clientStreaming ? 'stream ' : '') + plainName(rpc.inputType);
        const response = (rpc.serverStreaming ? 'stream ' : '') + plainName(rpc.outputType);
        return row('rpc', name, rpc.name, '', request, response);
      }),
    ),
    ...(file.enumType ?? []).flatMap((type) => enumRows(type, type.name ?? '')),
    ...(file.messageType ?? []).flatMap(messageRows),
  ];
}

const row = (...cells: (string | number | undefined)[]): string => cells.map((cell) => cell ?? '').join('\t');

function enumRows(type: IEnumDescriptorProto, owner: string): string[] {
  return (type.value ?? []).map(({ name, number }) => row('enum', owner, name, number, '', ''));
}

function messageRows(message: IDescriptorProto): string[] {
  const { name = '', field = [], nestedType = [], enumType = [], oneofDecl = [] } = message;
  expect(oneofDecl, `${name} has a oneof, which the table can't tell`).to.deep.equal([]);
  const entries = new Map(nestedType.map((nested) => [nested.name, nested]));
  for (const nested of nestedType) expect(nested.options?.mapEntry, `${name}.${nested.name}`).to.equal(true);
  return [
    ...(field.length === 0 ? [row('message', name, '', '', '', '')] : []),
    ...field.map((each) => fieldRow(name, each, entries)),
    ...enumType.flatMap((type) => enumRows(type, `${name}.${type.name}`)),
  ];
}

function fieldRow(
  owner: string,
  field: IFieldDescriptorProto,
  mapEntries: Map<string | undefined, IDescriptorProto>,
): string {
  const entry = mapEntries.get(plainName(field.typeName));
  const typeOf = ({ type, typeName }: IFieldDescriptorProto): string =>
    scalarTypes[Number(type)] ?? plainName(typeName);
  if (entry?.field !== undefined) {
    const map = `map<${entry.field.map(typeOf).join(',')}>`;
    return row('field', owner, field.name, field.number, map, '');
  }
  const label = Number(field.label) === repeatedLabel ? 'repeated' : '';
  return row('field', owner, field.name, field.number, typeOf(field), label);
}

function differences(facts: readonly string[], loaded: readonly string[]) {
  const [factSet, loadedSet] = [new Set(facts), new Set(loaded)];
  return {
    missing: facts.filter((each) => !loadedSet.has(each)),
    surplus: loaded.filter((each) => !factSet.has(each)),
  };
}

describe('cri: the descriptors that the server loads', () => {
  it('have every rpc, field and enum value of the public interface, and no other', () => {
    const loaded = rowsOf(loadedFile());
    expect(differences(factRows(), loaded)).to.deep.equal({ missing: [], surplus: [] });
    expect(loaded).to.have.lengthOf(factRows().length);
  });

  it('are held to the table as it was given', function () {
    if (!fs.existsSync(originalFacts)) this.skip();
    expect(fs.readFileSync(factsPath, 'utf8')).to.equal(fs.readFileSync(originalFacts, 'utf8'));
  });

  it('put fields on the wire under those numbers', () => {
    const { responseSerialize } = methodOf('RuntimeService', 'Version');
    expect([...responseSerialize({ runtime_name: 'n' })]).to.deep.equal([(2 << 3) | 2, 1, 'n'.charCodeAt(0)]);
  });

  for (const [what, from, to, fact] of [
    [
      'field number',
      'string runtime_name = 2;',
      'string runtime_name = 9;',
      'field\tVersionResponse\truntime_name\t2',
    ],
    [
      'field type',
      'string runtime_name = 2;',
      'bytes runtime_name = 2;',
      'field\tVersionResponse\truntime_name\t2',
    ],
    ['label', 'repeated string searches', 'string searches', 'field\tDNSConfig\tsearches\t2'],
    [
      'map',
      'map<string, string> sysctls',
      'map<string, int32> sysctls',
      'field\tLinuxPodSandboxConfig\tsysctls\t3',
    ],
    [
      'enum value',
      'CONTAINER_EXITED = 2',
      'CONTAINER_EXITED = 7',
      'enum\tContainerState\tCONTAINER_EXITED\t2',
    ],
    [
      'stream',
      'returns (stream ContainerEventResponse)',
      'returns (ContainerEventResponse)',
      'rpc\tRuntimeService\tGetContainerEvents',
    ],
  ] as const) {
    it(`would be caught with a wrong ${what}`, () => {
      const dir = fs.mkdtempSync(path.join(os.tmpdir(), 'nodelet-proto-'));
      try {
        const source = fs.readFileSync(protoPath(), 'utf8');
        expect(source).to.include(from);
        const planted = path.join(dir, 'planted.proto');
        fs.writeFileSync(planted, source.replace(from, to));
        const { missing, surplus } = differences(factRows(), rowsOf(loadedFile(planted)));
        expect(missing).to.have.lengthOf(1);
        expect(missing[0]?.startsWith(fact)).to.equal(true);
        expect(surplus).to.have.lengthOf(1);
      } finally {
        fs.rmSync(dir, { recursive: true, force: true });
      }
    });
  }
});
