import fs from 'node:fs';

export interface Rpc {
  service: string;
  name: string;
  request: string;
  response: string;
}

export interface Field {
  message: string;
  name: string;
  /** As the table has it: a scalar, an enum, a message, or `map<key,value>`. */
  type: string;
}

/** What can be asked of a CRI runtime: the rpcs, and the fields of each message that a request can carry. */
export interface RequestInterface {
  rpcs: Rpc[];
  /** Messages in the order in which the requests lead to them. */
  messages: Map<string, Field[]>;
}

/** Reads the table of the interface's facts, `test/data/cri-v1-interface.tsv`. */
export function readInterface(file: string): RequestInterface {
  const rpcs: Rpc[] = [];
  const fields = new Map<string, Field[]>();
  for (const line of fs.readFileSync(file, 'utf8').split('\n')) {
    const [kind = '', owner = '', name = '', , type = '', label = ''] = line.split('\t');
    if (kind === 'rpc') rpcs.push({ service: owner, name, request: type, response: label });
    if (kind === 'message') fields.set(owner, []);
    if (kind === 'field') {
      fields.set(owner, [...(fields.get(owner) ?? []), { message: owner, name, type }]);
    }
  }
  const messages = new Map<string, Field[]>();
  const visit = (message: string): void => {
    const own = fields.get(message);
    if (own === undefined || messages.has(message)) return;
    messages.set(message, own);
    for (const { type } of own) visit(type.replace(/^map<[^,]*,(.*)>$/, '$1'));
  };
  for (const { request } of rpcs) visit(request);
  return { rpcs, messages };
}

/** What the matrix must have a row for: `rpc Name` and `Message.field`. */
export function subjectsOf({ rpcs, messages }: RequestInterface): string[] {
  return [
    ...rpcs.map(({ name }) => `rpc ${name}`),
    ...[...messages.values()].flat().map(({ message, name }) => `${message}.${name}`),
  ];
}
