import { expect } from 'chai';
import type { ImageId } from '../../src/base/ids.js';
import { isReferredTo, toldNames } from '../../src/images/image-names.js';

const [first, second] = ['a', 'b'].map((digit) => `sha256:${digit.repeat(64)}`);
const image = {
  id: `sha256:${'1'.repeat(64)}` as ImageId,
  repoTags: ['one.io/app:1', 'one.io/app:2', 'two.io/app:1', 'docker.io/library/nginx:latest'],
  repoDigests: [`one.io/app@${first}`, `two.io/app@${first}`, `two.io/app@${second}`],
};
const asked = (text: string, words = '') => toldNames(image, { image: text, user_specified_image: words });

describe('images: the names by which a container tells of its image', () => {
  it('are those of the request, normalized, with the digest of the same registry', () => {
    expect(asked('one.io/app:2')).to.deep.equal({ reference: 'one.io/app:2', digest: `one.io/app@${first}` });
    expect(asked('two.io/app:1')).to.include({ digest: `two.io/app@${first}` });
    expect(asked('nginx')).to.include({ reference: 'docker.io/library/nginx:latest' });
  });

  it("are the user's own words where the request has the id, as a kubelet's has", () => {
    expect(asked(image.id, 'two.io/app:1')).to.deep.equal({
      reference: 'two.io/app:1',
      digest: `two.io/app@${first}`,
    });
    expect(asked(image.id.slice(7), 'nginx')).to.include({ reference: 'docker.io/library/nginx:latest' });
  });

  it('are of the very digest that was asked for', () => {
    const byDigest = `two.io/app@${second}`;
    expect(asked(byDigest)).to.deep.equal({ reference: byDigest, digest: byDigest });
    expect(asked(image.id, `two.io/app:1@${second}`)).to.deep.equal({
      reference: `two.io/app:1@${second}`,
      digest: byDigest,
    });
  });

  it('are any that the image has when the words say nothing of it, and its id when it has none', () => {
    for (const words of ['', 'else.io/other:1', 'NO reference']) {
      expect(asked(image.id, words), words).to.deep.equal({
        reference: 'one.io/app:1',
        digest: `one.io/app@${first}`,
      });
    }
    const nameless = { id: image.id, repoTags: [], repoDigests: [] };
    expect(toldNames(nameless, { image: image.id, user_specified_image: '' })).to.deep.equal({
      reference: image.id,
      digest: '',
    });
    const untagged = { ...nameless, repoDigests: image.repoDigests };
    expect(toldNames(untagged, { image: image.id, user_specified_image: '' }).reference).to.equal(
      `one.io/app@${first}`,
    );
  });

  it("fit an image_ref that is the image's id or digest, and no other", () => {
    for (const [image_ref, fits] of [
      ['', true],
      [image.id, true],
      [`two.io/app@${second}`, true],
      [`one.io/app@${second}`, false],
      [first ?? '', false],
    ] as const) {
      expect(isReferredTo(image, { image_ref }), image_ref).to.equal(fits);
    }
  });
});
