/** One way in that a 401 offers, RFC 9110 section 11.6.1; names in lower case. */
export interface Challenge {
  scheme: string;
  parameters: Record<string, string>;
}

const schemeForm = /^\s*([a-z][\w-]*)(?=\s|,|$)/i;
const parameterForm = /^[\s,]*([a-z][\w-]*)\s*=\s*(?:"((?:[^"\\]|\\.)*)"|([^\s,"]+))/i;

/** The challenges of WWW-Authenticate headers; what can't be read ends the list. */
export function parseChallenges(headers: readonly string[]): Challenge[] {
  const challenges: Challenge[] = [];
  for (let rest of headers) {
    for (;;) {
      const parameter = parameterForm.exec(rest);
      const current = challenges.at(-1);
      if (parameter !== null && current !== undefined) {
        const [whole, name = '', quoted, plain = ''] = parameter;
        current.parameters[name.toLowerCase()] = quoted?.replace(/\\(.)/g, '$1') ?? plain;
        rest = rest.slice(whole.length);
        continue;
      }
      const [whole, scheme] = schemeForm.exec(rest.replace(/^[\s,]+/, '')) ?? [];
      if (whole === undefined || scheme === undefined) break;
      challenges.push({ scheme: scheme.toLowerCase(), parameters: {} });
      rest = rest.replace(/^[\s,]+/, '').slice(whole.length);
    }
  }
  return challenges;
}
