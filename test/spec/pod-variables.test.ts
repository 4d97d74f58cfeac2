import { expect } from 'chai';
import { expandVariables, variablesOf } from '../../src/spec/manifests/pod-variables.js';

describe('variables in a Pod ($(NAME))', () => {
  const variables = new Map([
    ['A', 'one'],
    ['EMPTY', ''],
    ['NESTED', '$(A)'],
  ]);
  const cases: [text: string, expanded: string][] = [
    ['$(A)-$(A)', 'one-one'],
    ['[$(EMPTY)]', '[]'],
    ['$(NESTED)', '$(A)'],
    ['$$(A) $$$(A) $$', '$(A) $one $'],
    ['$(date) ${A} $A $(A $', '$(date) ${A} $A $(A $'],
  ];
  for (const [text, expanded] of cases)
    it(`${text} becomes ${expanded}`, () => expect(expandVariables(text, variables)).to.equal(expanded));

  it('sees in an env value the variables before it, and no later ones', () => {
    const env = [
      { name: 'HOST', value: 'web' },
      { name: 'URL', value: 'http://$(HOST):$(PORT)' },
      { name: 'PORT', value: '80' },
      { name: 'HOST', value: '$(HOST).lan' },
      { name: 'NONE' },
    ];
    expect(Object.fromEntries(variablesOf(env))).to.deep.equal({
      HOST: 'web.lan',
      URL: 'http://web:$(PORT)',
      PORT: '80',
      NONE: '',
    });
  });
});
