import { NftTokens, refused } from './nft-tokens.js';

interface NftTable {
  /** Sets and maps: elements by key; a set's have empty values. */
  maps: Map<string, Map<string, string>>;
  chains: Map<string, string[]>;
}

/**
 * The netfilter tables as nft scripts make them: tables, maps with their elements, chains as the text of their
 * rules. A script is one transaction. Statements that nodelet has no use for are syntax errors here.
 */
export class NftRuleset {
  private tables = new Map<string, NftTable>();

  apply(script: string): void {
    const draft = new NftRuleset();
    draft.tables = structuredClone(this.tables);
    const tokens = new NftTokens(script);
    while (!tokens.done) draft.statement(tokens);
    this.tables = draft.tables;
  }

  /** All elements of a table's maps as `map key : value`, sorted. */
  elements(family: string, table: string): string[] {
    const maps = this.tables.get(`${family} ${table}`)?.maps ?? new Map<string, Map<string, string>>();
    const all = [...maps].flatMap(([map, found]) => [...found].map(([k, v]) => `${map} ${k} : ${v}`));
    return all.sort();
  }

  /** Every table, map and chain with the elements and rules in it, sorted: for comparing. */
  summary(): string[] {
    return [...this.tables].map(([name, { maps, chains }]) => {
      const [family = '', table = ''] = name.split(' ');
      return JSON.stringify([
        name,
        [...maps.keys()].sort(),
        this.elements(family, table),
        [...chains].sort(),
      ]);
    });
  }

  /** As `nft -j list table`, as far as callers look. */
  dump(family: string, name: string): Record<string, unknown>[] {
    const table = this.tables.get(`${family} ${name}`);
    if (table === undefined) return [];
    return [
      { table: { family, name } },
      ...[...table.maps].map(([map, elements]) => ({
        map: { family, table: name, name: map, elem: [...elements].map(([key, value]) => [key, value]) },
      })),
      ...[...table.chains.keys()].map((chain) => ({ chain: { family, table: name, name: chain } })),
    ];
  }

  private statement(tokens: NftTokens): void {
    const first = tokens.next();
    const verb = first === 'table' ? 'add' : first;
    const object = first === 'table' ? 'table' : tokens.next();
    const name = `${tokens.next()} ${tokens.next()}`;
    if (object === 'table') this.tableStatement(verb, name, tokens);
    else this.partStatement(verb, object, { table: this.require(name), tokens });
    if (tokens.peek() !== ';' && tokens.peek() !== '') throw refused(`syntax error at ${tokens.peek()}`);
  }

  private require(name: string): NftTable {
    const table = this.tables.get(name);
    if (table === undefined) throw refused(`No such file or directory: table ${name}`);
    return table;
  }

  private tableStatement(verb: string, name: string, tokens: NftTokens): void {
    if (verb === 'delete') this.require(name);
    if (verb === 'delete' || verb === 'destroy') this.tables.delete(name);
    else if (verb === 'flush') this.require(name).chains.forEach((rules) => (rules.length = 0));
    else if (verb === 'add') {
      const table = this.tables.get(name) ?? { maps: new Map(), chains: new Map() };
      this.tables.set(name, table);
      if (tokens.peek() === '{') tableBlock(table, tokens);
    } else throw refused(`syntax error, unexpected ${verb} table`);
  }

  private partStatement(verb: string, object: string, at: { table: NftTable; tokens: NftTokens }): void {
    const { table, tokens } = at;
    const name = tokens.next();
    const map = table.maps.get(name);
    const what = `${verb} ${object}`;
    if (what === 'add map' || what === 'add set') mapBlock(table, name, tokens);
    else if (what === 'add chain') chainBlock(table, name, tokens);
    else if (what === 'add rule' && table.chains.has(name)) table.chains.get(name)?.push(tokens.statement());
    else if (what === 'flush chain' && table.chains.has(name)) table.chains.set(name, []);
    else if (what === 'delete chain' && table.chains.has(name)) table.chains.delete(name);
    else if (map === undefined) throw refused(`No such file or directory: ${what} ${name}`);
    else if (what === 'flush map' || what === 'flush set') map.clear();
    else if (what === 'delete map' || what === 'delete set') table.maps.delete(name);
    else if (what === 'add element') addElements(map, tokens.elements());
    else if (what === 'delete element' || what === 'destroy element') {
      for (const [key] of tokens.elements()) {
        if (!map.delete(key) && verb === 'delete') throw refused(`No such file or directory: element ${key}`);
      }
    } else throw refused(`syntax error, unexpected ${what}`);
  }
}

function addElements(map: Map<string, string>, elements: [string, string][]): void {
  for (const [key, value] of elements) {
    if ((map.get(key) ?? value) !== value) throw refused(`File exists: element ${key}`);
    map.set(key, value);
  }
}

function tableBlock(table: NftTable, tokens: NftTokens): void {
  tokens.expect('{');
  for (tokens.skipEnds(); !tokens.accept('}'); tokens.skipEnds()) {
    const kind = tokens.next();
    const name = tokens.next();
    if (kind === 'map' || kind === 'set') mapBlock(table, name, tokens);
    else if (kind === 'chain') chainBlock(table, name, tokens);
    else throw refused(`syntax error, unexpected ${kind}`);
  }
}

function mapBlock(table: NftTable, name: string, tokens: NftTokens): void {
  const map = table.maps.get(name) ?? new Map<string, string>();
  table.maps.set(name, map);
  tokens.expect('{');
  for (tokens.skipEnds(); !tokens.accept('}'); tokens.skipEnds()) {
    if (!tokens.accept('elements')) tokens.statement();
    else {
      tokens.expect('=');
      addElements(map, tokens.elements());
    }
  }
}

function chainBlock(table: NftTable, name: string, tokens: NftTokens): void {
  const rules = table.chains.get(name) ?? [];
  table.chains.set(name, rules);
  if (!tokens.accept('{')) return;
  for (tokens.skipEnds(); !tokens.accept('}'); tokens.skipEnds()) rules.push(tokens.statement());
}
