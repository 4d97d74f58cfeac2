import { NodeletError } from '../../../src/base/errors.js';

export const refused = (why: string) => new NodeletError('tool-failed', `nft: ${why}`);

/** Words of an nft script, nft(8); line ends and `;` both come out as `;`, comments not at all. */
export class NftTokens {
  private readonly tokens: string[];
  private at = 0;

  constructor(script: string) {
    const found = script.replace(/#.*$/gm, '').match(/"[^"]*"|[{};,\n]|[^\s{};,]+/g) ?? [];
    this.tokens = found.map((token) => (token === '\n' ? ';' : token));
  }

  get done(): boolean {
    this.skipEnds();
    return this.at >= this.tokens.length;
  }

  skipEnds(): void {
    while (this.tokens[this.at] === ';') this.at++;
  }

  peek(): string {
    return this.tokens[this.at] ?? '';
  }

  next(): string {
    const token = this.tokens[this.at++];
    if (token === undefined) throw refused('syntax error, unexpected end of file');
    return token;
  }

  accept(token: string): boolean {
    if (this.peek() !== token) return false;
    this.at++;
    return true;
  }

  expect(token: string): void {
    const got = this.next();
    if (got !== token) throw refused(`syntax error, unexpected ${got}, expecting ${token}`);
  }

  /** The rest of a statement as text, with what stands in braces; the end itself is left. */
  statement(): string {
    const words: string[] = [];
    for (let depth = 0; this.peek() !== '';) {
      if (depth === 0 && (this.peek() === ';' || this.peek() === '}')) break;
      const word = this.next();
      depth += word === '{' ? 1 : word === '}' ? -1 : 0;
      if (word !== ';') words.push(word);
    }
    return words.join(' ');
  }

  /** `{ key : value, … }` or `{ key, … }`: each element's key, and its value where it has one. */
  elements(): [key: string, value: string][] {
    this.expect('{');
    const found: [string, string][] = [];
    let words: string[] = [];
    const close = () => {
      if (words.length === 0) return;
      const colon = words.indexOf(':');
      const key = colon < 0 ? words : words.slice(0, colon);
      found.push([key.join(' '), colon < 0 ? '' : words.slice(colon + 1).join(' ')]);
      words = [];
    };
    for (let token = this.next(); token !== '}'; token = this.next()) {
      if (token === ',') close();
      else if (token !== ';') words.push(token);
    }
    close();
    return found;
  }
}
