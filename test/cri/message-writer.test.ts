import { expect } from 'chai';
import fc from 'fast-check';
import { loadCriDefinitions, methodsOf, withOwnWriter } from '../../src/cri/definitions.js';
import { MessageWriter } from '../../src/cri/message-writer.js';
import type { EnumDescriptor, MessageDescriptor, TypeDescriptors } from '../../src/cri/message-writer.js';
import { newListPodSandboxResponse, newMetric, newPodSandbox } from '../../src/ports/cri/messages.js';

const definitions = loadCriDefinitions();
const types = definitions as unknown as TypeDescriptors;
const text = fc.oneof(fc.string({ unit: 'binary' }), fc.string({ minLength: 40, maxLength: 400 }));

/** Any message of a type, in the shape of ports/cri/messages.ts. */
function messagesOf(typeName: string, depth = 0): fc.Arbitrary<Record<string, unknown>> {
  const { field, nestedType } = types[typeName]?.type as MessageDescriptor;
  const fields = field.map(({ name, type, typeName: named, label }) => {
    if (nestedType.some((nested) => nested.name === named)) return [name, fc.dictionary(text, text)] as const;
    const one = valuesOf(type, named, depth);
    const many = fc.array(type === 'TYPE_MESSAGE' ? one.filter((value) => value !== null) : one, {
      maxLength: 3,
    });
    return [name, label === 'LABEL_REPEATED' ? many : one] as const;
  });
  return fc.record(Object.fromEntries(fields));
}

function valuesOf(type: string, typeName: string, depth: number): fc.Arbitrary<unknown> {
  switch (type) {
    case 'TYPE_STRING':
      return text;
    case 'TYPE_BYTES':
      return fc.uint8Array({ maxLength: 200 }).map((bytes) => Buffer.from(bytes));
    case 'TYPE_BOOL':
      return fc.boolean();
    case 'TYPE_INT32':
      return fc.integer();
    case 'TYPE_UINT32':
      return fc.nat();
    case 'TYPE_INT64':
      return fc.bigInt({ min: -(2n ** 63n), max: 2n ** 63n - 1n }).map(String);
    case 'TYPE_UINT64':
      return fc.bigInt({ min: 0n, max: 2n ** 64n - 1n }).map(String);
    case 'TYPE_DOUBLE':
      return fc.double({ noNaN: true }).map((value) => value + 0);
    case 'TYPE_ENUM':
      return fc.constantFrom(...(types[typeName]?.type as EnumDescriptor).value.map(({ name }) => name));
    default:
      return depth > 3 ? fc.constant(null) : fc.option(messagesOf(typeName, depth + 1));
  }
}

describe('cri: writing of messages', () => {
  for (const service of ['RuntimeService', 'ImageService'] as const) {
    const own = withOwnWriter(definitions, service);
    for (const [rpc, method] of Object.entries(methodsOf(definitions[service]))) {
      const { type } = (method as typeof method & { responseType: { type: MessageDescriptor } }).responseType;
      it(`gives what any client reads as the answer of ${rpc}`, () => {
        fc.assert(
          fc.property(messagesOf(type.name), (answer) => {
            const [read, written] = [method.responseDeserialize, own[rpc]?.responseSerialize];
            expect(read(written?.(answer) ?? Buffer.alloc(0))).to.deep.equal(
              read(method.responseSerialize(answer)),
            );
          }),
          { numRuns: 20 },
        );
      });
    }
  }

  it('encodes a frozen message once, and one that may change each time', () => {
    const writer = new MessageWriter(types);
    const frozen = Object.freeze(newPodSandbox({ id: 'kept', labels: { a: 'b' } }));
    const open = newPodSandbox({ id: 'open' });
    const list = () =>
      writer.encode('ListPodSandboxResponse', newListPodSandboxResponse({ items: [frozen, open] }));
    const first = list();
    // No room does this: it shows that the bytes are those of the first time.
    frozen.labels['a'] = 'c';
    expect(list()).to.deep.equal(first);
    open.id = 'changed';
    expect(list().includes('changed')).to.equal(true);
  });

  it('grows for what is large, and starts anew after it', () => {
    const writer = new MessageWriter(types);
    const items = Array.from({ length: 5000 }, (_, index) =>
      newPodSandbox({ id: String(index).padStart(64, 'x') }),
    );
    const large = writer.encode('ListPodSandboxResponse', newListPodSandboxResponse({ items }));
    expect(large.length).to.be.greaterThan(5000 * 64);
    const copy = Buffer.from(large);
    const small = writer.encode('ListPodSandboxResponse', newListPodSandboxResponse());
    expect([small.length, large.equals(copy)]).to.deep.equal([0, true]);
  });

  it('refuses a value that is none of its enum, and is as good as before', () => {
    const writer = new MessageWriter(types);
    const wrong = newMetric({ name: 'x', metric_type: 'HISTOGRAM' as never });
    expect(() => writer.encode('Metric', wrong)).to.throw('MetricType has no value HISTOGRAM');
    expect(writer.encode('Metric', newMetric()).length).to.equal(0);
  });
});
