import fs from 'node:fs';
import { expect } from 'chai';
import { NodeletError } from '../../src/base/errors.js';
import { parseNodeConfig } from '../../src/spec/config/node-config-parse.js';

const parse = (text: string, overrides = {}) =>
  parseNodeConfig(text, { fileName: 'config.yaml', hostName: 'node-a', overrides });

/** What a user reads when the text is refused. */
function complaint(text: string, overrides = {}): string {
  try {
    parse(text, overrides);
  } catch (thrown) {
    if (thrown instanceof NodeletError) return thrown.describe();
    throw thrown;
  }
  return 'accepted';
}

describe('node configuration', () => {
  it('is complete without a file', () => {
    const config = parse('');
    expect(config.criSocket).to.equal('/run/nodelet/nodelet.sock');
    expect(config.nodeName).to.equal('node-a');
    expect(config.defaultRuntime).to.equal('crun');
    expect(config.network).to.deep.equal({
      bridge: 'nodelet0',
      subnet: '10.88.0.0/16',
      mtu: 0,
      table: 'nodelet',
    });
    expect(config.stats).to.deep.equal({ housekeepingMs: 10_000, layerPeriodMs: 60_000 });
    expect(config.logs).to.deep.equal({ maxSizeBytes: 10 * 2 ** 20, maxFiles: 5, checkPeriodMs: 2000 });
    expect(config.images.gc).to.deep.equal({
      highThresholdPercent: 85,
      lowThresholdPercent: 80,
      minimumAgeMs: 120_000,
      periodMs: 300_000,
    });
  });

  it('takes the example of the README', () => {
    const [, example = ''] = /```yaml\n([^]*?)```/.exec(fs.readFileSync('README.md', 'utf8')) ?? [];
    expect(parse(example)).to.deep.include({
      cdiDirs: ['/etc/cdi', '/var/run/cdi'],
      blockIoClasses: { slow: [{ devices: ['/dev/sd*'], throttleWriteBps: 20_000_000 }] },
      rdtClasses: { half: { l3CacheSchema: 'L3:0=ff', memBwSchema: 'MB:0=50' } },
      stats: { housekeepingMs: 10_000, layerPeriodMs: 60_000 },
      images: {
        downloadsPerPull: 3,
        maxDownloads: 12,
        foreignLayers: false,
        limits: { maxUnpackedBytes: 64 * 1024 ** 3, maxEntries: 2_000_000, maxRatio: 500 },
        gc: { highThresholdPercent: 85, lowThresholdPercent: 80, minimumAgeMs: 120_000, periodMs: 300_000 },
      },
      logs: { maxSizeBytes: 10 * 2 ** 20, maxFiles: 5, checkPeriodMs: 2000 },
    });
  });

  it('takes the size of logs as a quantity or as bytes', () => {
    const size = (text: string) => parse(`logs: { maxSize: ${text} }\n`).logs.maxSizeBytes;
    expect([size('1.5Mi'), size('"20k"'), size('1048576')]).to.deep.equal([1.5 * 2 ** 20, 20_000, 2 ** 20]);
  });

  it('lets sockets follow runDir, and a flag win over the file', () => {
    const config = parse('runDir: /run/a\napiSocket: /run/x.sock\n', { runDir: '/run/b' });
    expect(config.criSocket).to.equal('/run/b/nodelet.sock');
    expect(config.apiSocket).to.equal('/run/x.sock');
  });

  it('takes the first configured runtime as the default', () => {
    const config = parse('runtimes:\n  youki: { path: /opt/youki }\n');
    expect(config.runtimes).to.deep.equal({ youki: { path: '/opt/youki' } });
    expect(config.defaultRuntime).to.equal('youki');
  });

  const refused: [name: string, text: string, parts: string[]][] = [
    ['an unknown key', 'rootDir: /a\nrotDir: /b\n', ['rotDir', 'unknown key', 'config.yaml:2']],
    ['an unknown nested key', 'network:\n  brdge: x\n', ['network.brdge', 'config.yaml:2']],
    ['a wrong type', 'fixHybridCgroups: maybe\n', ['fixHybridCgroups', 'true or false', 'config.yaml:1']],
    ['a subnet with host bits', 'network: { subnet: 10.88.3.1/16 }\n', ['network.subnet', '10.88.0.0/16?']],
    ['a subnet too small', 'network: { subnet: 10.88.0.0/31 }\n', ['network.subnet', '/29']],
    ['an octet too large', 'network: { subnet: 10.300.0.0/16 }\n', ['network.subnet', 'IPv4 subnet']],
    ['a metrics address without port', 'metricsAddress: localhost\n', ['metricsAddress', 'HOST:PORT']],
    [
      'streams in clear text off the machine',
      'streaming: { address: "10.0.0.1:80" }\n',
      ['address', 'tlsCert'],
    ],
    [
      'streams at no address',
      'streaming: { address: "0.0.0.0:80" }\n',
      ['streaming.address', 'clients come to'],
    ],
    [
      'a certificate without its key',
      'streaming: { tlsCert: /c.pem }\n',
      ['streaming.tlsKey', 'is required'],
    ],
    ['a limit of nothing', 'images: { limits: { maxRatio: 0 } }\n', ['images.limits.maxRatio', 'above 0']],
    ['an unknown limit', 'images: { limits: { maxFiles: 1 } }\n', ['images.limits.maxFiles', 'maxEntries']],
    ['a period too short', 'stats: { housekeepingMs: 10 }\n', ['stats.housekeepingMs', 'milliseconds, 1000']],
    ['a period in words', 'stats: { layerPeriodMs: 1m }\n', ['stats.layerPeriodMs', 'whole number']],
    [
      'a threshold above all',
      'images: { gc: { highThresholdPercent: 101 } }\n',
      ['images.gc.highThresholdPercent'],
    ],
    [
      'thresholds the wrong way round',
      'images: { gc: { highThresholdPercent: 80 } }\n',
      ['images.gc.lowThresholdPercent', 'below highThresholdPercent, 80', 'config.yaml:1'],
    ],
    ['an age in words', 'images: { gc: { minimumAgeMs: 2m } }\n', ['images.gc.minimumAgeMs', 'whole number']],
    ['a log size that is none', 'logs: { maxSize: 10MB }\n', ['logs.maxSize', '10Mi', 'config.yaml:1']],
    ['a log size too small', 'logs: { maxSize: 1Ki }\n', ['logs.maxSize', 'at least 16Ki']],
    ['a single log file', 'logs: { maxFiles: 1 }\n', ['logs.maxFiles', '2 to 1000']],
    ['looks at logs without a pause', 'logs: { checkPeriodMs: 0 }\n', ['logs.checkPeriodMs', '100 to']],
    ['a registry without host', 'registries:\n  - insecure: true\n', ['registries.0.host', 'required', ':2']],
    ['a list as a map', 'registries: {}\n', ['registries', 'must be a list']],
    ['a default runtime that nobody defined', 'defaultRuntime: kata\n', ['defaultRuntime', 'crun']],
    ['text that is no YAML', 'a: [1\n', ['config.yaml:']],
    ['a document that is no map', '- 1\n', ['must be a map']],
  ];
  for (const [name, text, parts] of refused) {
    it(`refuses ${name}, saying where`, () => {
      const message = complaint(text);
      for (const part of parts) expect(message).to.include(part);
    });
  }

  it('refuses a bad flag by its name', () => {
    expect(complaint('', { rootDir: 'relative' })).to.include('--root-dir: must be an absolute path');
  });
});
