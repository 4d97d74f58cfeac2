import { expect } from 'chai';
import fc from 'fast-check';
import { newCapability } from '../../src/ports/cri/messages.js';
import {
  capabilityNames,
  defaultCapabilities,
  grantedCapabilities,
  processCapabilities,
  validateCapabilities,
} from '../../src/spec/security/capabilities.js';

const own = [...defaultCapabilities, 'CAP_NET_ADMIN', 'CAP_SYS_ADMIN'];
const asked = (add: string[], drop: string[], ambient: string[] = []) =>
  newCapability({ add_capabilities: add, drop_capabilities: drop, add_ambient_capabilities: ambient });
const granted = (add: string[], drop: string[]) => grantedCapabilities(asked(add, drop), own);
const field = (rest: string) => `config.linux.security_context.capabilities.${rest}`;

describe('spec: capabilities', () => {
  it('are the usual ones, plus added, minus dropped, with or without the prefix', () => {
    expect(grantedCapabilities(null, own)).to.have.members(defaultCapabilities);
    const changed = granted(['net_admin'], ['CAP_CHOWN']);
    expect(changed).to.include('CAP_NET_ADMIN').and.not.to.include('CAP_CHOWN');
  });
  it('take ALL before single names on either side', () => {
    expect(granted(['KILL'], ['ALL'])).to.deep.equal(['CAP_KILL']);
    expect(granted(['all'], ['CHOWN']))
      .to.include('CAP_SYS_ADMIN')
      .and.not.to.include('CAP_CHOWN');
  });
  it('of the usual set are granted as far as the agent has them', () => {
    expect(grantedCapabilities(null, ['CAP_KILL', 'CAP_BPF'])).to.deep.equal(['CAP_KILL']);
  });
  it('added as ambient are in every set, whoever the user is; the others are root’s to start with', () => {
    const capability = asked(['NET_ADMIN'], ['ALL'], ['NET_BIND_SERVICE']);
    const [one, both] = [['CAP_NET_BIND_SERVICE'], ['CAP_NET_ADMIN', 'CAP_NET_BIND_SERVICE']];
    const of = (uid: number) => processCapabilities(capability, { own, privileged: false, uid });
    expect(of(0)).to.deep.equal({
      bounding: both,
      effective: both,
      permitted: both,
      inheritable: one,
      ambient: one,
    });
    expect(of(1000)).to.deep.equal({
      bounding: both,
      effective: one,
      permitted: one,
      inheritable: one,
      ambient: one,
    });
  });
  it('of a privileged container are all that the agent has, whatever is dropped', () => {
    const { bounding, effective } = processCapabilities(asked([], ['ALL']), {
      own,
      privileged: true,
      uid: 0,
    });
    expect(bounding).to.deep.equal(own);
    expect(effective).to.deep.equal(own);
  });

  const refusals: [field: string, kind: string, add: string[], drop: string[], ambient: string[]][] = [
    [field('add_capabilities[1]'), 'invalid', ['KILL', 'FLY'], [], []],
    [field('drop_capabilities[0]'), 'invalid', [], ['CAP_FLY'], []],
    [field('add_ambient_capabilities[0]'), 'invalid', [], [], ['FLY']],
    [field('add_capabilities[0]'), 'unsupported', ['SYS_RESOURCE'], [], []],
    [field('add_ambient_capabilities[0]'), 'unsupported', [], [], ['BPF']],
    [field('add_ambient_capabilities[0]'), 'invalid', [], ['KILL'], ['cap_kill']],
  ];
  for (const [at, kind, add, drop, ambient] of refusals) {
    it(`are refused at ${at.split('.').at(-1) ?? ''} (${kind}) for ${[...add, ...drop, ...ambient].join()}`, () => {
      expect(() => validateCapabilities(asked(add, drop, ambient), own, false))
        .to.throw()
        .that.includes({ field: at, kind });
    });
  }

  it('that pass are never more than the agent has, nor what is dropped by name', () => {
    const name = fc.constantFrom('ALL', 'all', ...capabilityNames, ...capabilityNames.map((n) => n.slice(4)));
    const names = fc.array(name, { maxLength: 4 });
    fc.assert(
      fc.property(names, names, names, fc.constantFrom(0, 1000), (add, drop, ambient, uid) => {
        const capability = asked(add, drop, ambient);
        try {
          validateCapabilities(capability, own, false);
        } catch {
          return;
        }
        const sets = processCapabilities(capability, { own, privileged: false, uid });
        const full = (text: string) => (text.startsWith('CAP_') ? text : `CAP_${text}`);
        for (const set of Object.values(sets)) {
          expect(own).to.include.members([...set]);
          expect(sets.bounding).to.include.members([...set]);
        }
        const kept = ambient.some((text) => text.toUpperCase() === 'ALL') ? [] : drop;
        for (const text of kept) expect(sets.bounding).not.to.include(full(text));
      }),
    );
  });
});
