import { defaultLayerLimits } from '../../../src/spec/config/layer-limits-config.js';
import type { NodeConfig } from '../../../src/spec/config/node-config.js';

/** Configuration of every simulated node. */
export const simConfig: NodeConfig = {
  rootDir: '/var/lib/nodelet',
  runDir: '/run/nodelet',
  criSocket: '/run/nodelet/nodelet.sock',
  apiSocket: '/run/nodelet/api.sock',
  manifestDir: '/etc/nodelet/manifests',
  podLogDir: '/var/log/pods',
  metricsAddress: '',
  nodeName: 'sim',
  cgroupParent: '/nodelet',
  pauseImage: undefined,
  runtimes: { crun: { path: '/usr/bin/crun' } },
  defaultRuntime: 'crun',
  conmonPath: '/usr/bin/conmon',
  fixHybridCgroups: false,
  stats: { housekeepingMs: 10_000, layerPeriodMs: 60_000 },
  logs: { maxSizeBytes: 10 * 2 ** 20, maxFiles: 5, checkPeriodMs: 10_000 },
  streaming: { address: '127.0.0.1:0', tlsCert: undefined, tlsKey: undefined },
  network: { bridge: 'nodelet0', subnet: '10.88.0.0/16', mtu: 0, table: 'nodelet' },
  images: {
    downloadsPerPull: 3,
    maxDownloads: 12,
    foreignLayers: false,
    limits: defaultLayerLimits,
    gc: { highThresholdPercent: 85, lowThresholdPercent: 80, minimumAgeMs: 120_000, periodMs: 300_000 },
  },
  registries: [],
  registriesFile: '/etc/nodelet/registries.yaml',
  dockerConfig: '/root/.docker/config.json',
  cdiDirs: [],
  blockIoClasses: {},
  rdtClasses: {},
  logLevel: 'error',
};
