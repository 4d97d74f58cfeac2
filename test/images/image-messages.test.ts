import { expect } from 'chai';
import type { ImageId } from '../../src/base/ids.js';
import { criImage, verboseInfo } from '../../src/images/image-messages.js';
import type { ImageInfo, ImageRunConfig } from '../../src/images/images.js';

const run: ImageRunConfig = {
  user: '',
  env: ['A=b'],
  entrypoint: ['/e'],
  cmd: ['c'],
  workingDir: '/w',
  stopSignal: 'SIGQUIT',
  volumes: ['/v'],
  labels: { maintainer: 'me' },
};
const image = (user: string): ImageInfo => ({
  id: `sha256:${'1'.repeat(64)}` as ImageId,
  repoTags: [],
  repoDigests: [],
  sizeBytes: 1,
  pinned: false,
  run: { ...run, user },
});

describe("images: what CRI's clients are told", () => {
  for (const [user, uid, username] of [
    ['1002', '1002', ''],
    ['1003:1005', '1003', ''],
    ['www-data', undefined, 'www-data'],
    ['www-data:100', undefined, 'www-data'],
    ['', '0', ''],
    [':100', '0', ''],
    ['0', '0', ''],
    ['root', undefined, 'root'],
    ['007', '7', ''],
    ['9223372036854775807', '9223372036854775807', ''],
    ['9223372036854775808', undefined, '9223372036854775808'],
  ] as const) {
    it(`has a uid or a user name, never both, for the user "${user}"`, () => {
      const told = criImage(image(user));
      expect([told.uid?.value, told.username]).to.deep.equal([uid, username]);
    });
  }

  it("shows the image's config to who asks for all of it", () => {
    const [bottom, above] = [`sha256:${'a'.repeat(64)}`, `sha256:${'b'.repeat(64)}`];
    const { info = '' } = verboseInfo({
      version: 1,
      ...image('u'),
      layers: [above, bottom],
      platform: { os: 'linux', architecture: 'arm64', variant: 'v8' },
      created: '2026-01-02T03:04:05Z',
      diffIds: [bottom, above],
    });
    // sha256 of the two diff ids with a space between, image-spec config.md.
    const top = 'sha256:ccd722928bd92476ba1745586fed6e45a102504185ad88cd89e01ff116fd146c';
    expect(JSON.parse(info)).to.deep.equal({
      chainID: top,
      imageSpec: {
        created: '2026-01-02T03:04:05Z',
        architecture: 'arm64',
        os: 'linux',
        variant: 'v8',
        config: {
          User: 'u',
          Env: ['A=b'],
          Entrypoint: ['/e'],
          Cmd: ['c'],
          WorkingDir: '/w',
          StopSignal: 'SIGQUIT',
          Volumes: { '/v': {} },
          Labels: { maintainer: 'me' },
        },
        rootfs: { type: 'layers', diff_ids: [bottom, above] },
      },
      layers: [{ chainID: bottom }, { chainID: top }],
    });
  });
});
