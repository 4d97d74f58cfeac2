import { expect } from 'chai';
import { parseNodeConfig } from '../../src/spec/config/node-config-parse.js';
import { chosenClass } from '../../src/spec/devices/service-class.js';

const parse = (text: string) => parseNodeConfig(text, { fileName: 'config.yaml', hostName: 'node' });

describe('spec: classes of service', () => {
  const pod = 'blockio.resources.beta.kubernetes.io/pod';
  const named = 'blockio.resources.beta.kubernetes.io/container.web';
  const own = 'io.kubernetes.cri.blockio-class';
  const choose = (annotations: Record<string, string>, podAnnotations: Record<string, string>) =>
    chosenClass('blockio', { name: 'web', annotations, podAnnotations });

  it("are chosen by the container's annotation, by the pod's for the container, by the pod's", () => {
    const all = { [pod]: 'p', [named]: 'n' };
    expect(choose({ [own]: 'o' }, all)).to.deep.equal({ name: 'o', field: `config.annotations["${own}"]` });
    expect(choose({}, all)).to.deep.equal({ name: 'n', field: `sandbox_config.annotations["${named}"]` });
    expect(choose({}, { [pod]: 'p' })?.name).to.equal('p');
    expect(choose({}, { [`${named}2`]: 'x' })).to.equal(undefined);
    expect(choose({ [own]: '' }, all), 'the empty one is none').to.equal(undefined);
    expect(chosenClass('rdt', { name: 'web', annotations: { [own]: 'o' }, podAnnotations: all })).to.equal(
      undefined,
    );
  });

  it('are read from the configuration', () => {
    const config = parse(`
cdiDirs: [/srv/cdi]
blockIoClasses:
  slow:
    - weight: 50
    - devices: [/dev/vd*]
      throttleReadBps: 10M
      throttleWriteBps: 1Mi
      throttleReadIops: 500
rdtClasses:
  gold: { l3CacheSchema: "L3:0=ff" }
`);
    expect(config.cdiDirs).to.deep.equal(['/srv/cdi']);
    expect(config.blockIoClasses).to.deep.equal({
      slow: [
        { devices: [], weight: 50 },
        {
          devices: ['/dev/vd*'],
          throttleReadBps: 10_000_000,
          throttleWriteBps: 1_048_576,
          throttleReadIops: 500,
        },
      ],
    });
    expect(config.rdtClasses).to.deep.equal({ gold: { l3CacheSchema: 'L3:0=ff' } });
    expect(parse('')).to.deep.include({
      cdiDirs: ['/etc/cdi', '/var/run/cdi'],
      blockIoClasses: {},
      rdtClasses: {},
    });
  });

  const refusals: [text: string, field: string][] = [
    ['cdiDirs: [cdi]', 'cdiDirs.0'],
    ['cdiDirs: /etc/cdi', 'cdiDirs'],
    ['blockIoClasses: { a: [] }', 'blockIoClasses.a'],
    ['blockIoClasses: { a: [{ weight: 5 }] }', 'blockIoClasses.a.0.weight'],
    ['blockIoClasses: { a: [{ devices: [/dev/vda] }] }', 'blockIoClasses.a.0'],
    ['blockIoClasses: { a: [{ throttleReadBps: 1M }] }', 'blockIoClasses.a.0'],
    [
      'blockIoClasses: { a: [{ devices: [/dev/vda], throttleReadBps: fast }] }',
      'blockIoClasses.a.0.throttleReadBps',
    ],
    ['blockIoClasses: { a: [{ wait: 1 }] }', 'blockIoClasses.a.0.wait'],
    ['rdtClasses: { a/b: {} }', 'rdtClasses.a/b'],
    ['rdtClasses: { a: { l3: x } }', 'rdtClasses.a.l3'],
  ];
  for (const [text, field] of refusals) {
    it(`refuse ${text}`, () => {
      expect(() => parse(text))
        .to.throw()
        .that.includes({ kind: 'invalid', field });
    });
  }
});
