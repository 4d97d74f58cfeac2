import fs from 'node:fs';
import path from 'node:path';
import { expect } from 'chai';
import protobuf from 'protobufjs';
import { protoPath } from '../../src/cri/definitions.js';

const factsPath = path.resolve(path.dirname(protoPath()), '../test/data/cri-v1-interface.tsv');

/** The public interface as rows `kind owner name number type label`, tab-separated. */
function factRows(): string[] {
  const lines = fs.readFileSync(factsPath, 'utf8').split('\n');
  return lines.filter((line) => line !== '' && !line.startsWith('#'));
}

function rowsOf(source: string): string[] {
  const { root } = protobuf.parse(source, { keepCase: true });
  const rows: string[] = [];
  const visit = (node: protobuf.ReflectionObject): void => {
    if (node instanceof protobuf.Service) {
      for (const rpc of node.methodsArray) {
        const request = (rpc.requestStream ? 'stream ' : '') + rpc.requestType;
        const response = (rpc.responseStream ? 'stream ' : '') + rpc.responseType;
        rows.push(['rpc', node.name, rpc.name, '', request, response].join('\t'));
      }
    } else if (node instanceof protobuf.Enum) {
      const owner = node.parent instanceof protobuf.Type ? `${node.parent.name}.${node.name}` : node.name;
      for (const [name, number] of Object.entries(node.values))
        rows.push(['enum', owner, name, number, '', ''].join('\t'));
    } else if (node instanceof protobuf.Type) {
      if (node.fieldsArray.length === 0) rows.push(['message', node.name, '', '', '', ''].join('\t'));
      for (const field of node.fieldsArray) {
        const type = field instanceof protobuf.MapField ? `map<${field.keyType},${field.type}>` : field.type;
        const label = field.repeated ? 'repeated' : '';
        rows.push(['field', node.name, field.name, field.id, type, label].join('\t'));
      }
    }
    if (node instanceof protobuf.Namespace) node.nestedArray.forEach(visit);
  };
  visit(root.lookup('runtime.v1') as protobuf.Namespace);
  return rows;
}

function differences(
  facts: readonly string[],
  loaded: readonly string[],
): { missing: string[]; surplus: string[] } {
  const factSet = new Set(facts);
  const loadedSet = new Set(loaded);
  return {
    missing: facts.filter((row) => !loadedSet.has(row)),
    surplus: loaded.filter((row) => !factSet.has(row)),
  };
}

describe('cri: the proto file', () => {
  const source = fs.readFileSync(protoPath(), 'utf8');

  it('has every rpc, field and enum value of the public interface, and no other', () => {
    expect(differences(factRows(), rowsOf(source))).to.deep.equal({ missing: [], surplus: [] });
    expect(rowsOf(source)).to.have.lengthOf(factRows().length);
  });

  it('would be caught with a wrong field number', () => {
    const planted = source.replace('runtime_name = 2;', 'runtime_name = 9;');
    expect(planted).not.to.equal(source);
    expect(differences(factRows(), rowsOf(planted))).to.deep.equal({
      missing: ['field\tVersionResponse\truntime_name\t2\tstring\t'],
      surplus: ['field\tVersionResponse\truntime_name\t9\tstring\t'],
    });
  });
});
