import { expect } from 'chai';
import { labelSelector } from '../../src/api/label-selector.js';

const labels = { app: 'web', 'nodelet.dev/tier': 'front', empty: '' };

describe('api: label selectors', () => {
  for (const [text, isMeant] of [
    ['', true],
    ['app=web', true],
    ['app == web', true],
    ['app=db', false],
    ['app!=web', false],
    ['other!=web', true],
    ['app in (db, web)', true],
    ['app in (db)', false],
    ['app notin (db,cache)', true],
    ['app notin (web)', false],
    ['other notin (web)', true],
    ['app', true],
    ['other', false],
    ['!other', true],
    ['!app', false],
    ['constructor', false],
    ['empty=', true],
    ['app=', false],
    ['app in (web,db),nodelet.dev/tier=front,!other', true],
    ['app=web,nodelet.dev/tier=back', false],
  ] as const)
    it(`"${text}" ${isMeant ? 'means' : 'does not mean'} the pod`, () => {
      expect(labelSelector(text)(labels)).to.equal(isMeant);
    });

  it('means no pod without labels by the ones that ask for some', () => {
    expect(labelSelector('app=web')(undefined)).to.equal(false);
  });

  for (const text of [
    'app=web,',
    '=web',
    'app=a=b',
    'app in web',
    'appin (web)',
    'app in (web',
    '!app=web',
    'a b',
  ])
    it(`refuses "${text}" by its name`, () => {
      expect(() => labelSelector(text))
        .to.throw(/is no requirement/)
        .with.property('field', 'labelSelector');
    });
});
