import { expect } from 'chai';
import { newSELinuxOption } from '../../src/ports/cri/messages.js';
import { parseContainerContexts, selinuxLabels } from '../../src/spec/security/selinux-label.js';

/** As Fedora's policy has it. */
const recorded = `process = "system_u:system_r:container_t:s0"
content = "system_u:object_r:virt_var_lib_t:s0"
file = "system_u:object_r:container_file_t:s0"
ro_file="system_u:object_r:container_ro_file_t:s0"
sandbox_kvm_process = "system_u:system_r:svirt_qemu_net_t:s0"
`;

describe('spec: SELinux labels of a container', () => {
  const defaults = parseContainerContexts(recorded);
  const of = (set: object) => selinuxLabels(newSELinuxOption(set), defaults);

  it('has what is named in place of the policy’s own, in the label of the process and of its files', () => {
    expect(of({ level: 's0:c4,c5' })).to.deep.equal({
      process: 'system_u:system_r:container_t:s0:c4,c5',
      mount: 'system_u:object_r:container_file_t:s0:c4,c5',
    });
    expect(of({ user: 'u', role: 'r', type: 't', level: 's0-s0:c0.c9' })).to.deep.equal({
      process: 'u:r:t:s0-s0:c0.c9',
      mount: 'u:object_r:container_file_t:s0-s0:c0.c9',
    });
  });
  it('are none where nothing is named, or the machine has SELinux off', () => {
    expect(of({})).to.equal(undefined);
    expect(selinuxLabels(null, defaults)).to.equal(undefined);
    expect(selinuxLabels(newSELinuxOption({ type: 't' }), undefined)).to.equal(undefined);
  });
  it('are none on a machine whose policy has none for containers', () => {
    expect(parseContainerContexts('process = "system_u:system_r:container_t:s0"')).to.equal(undefined);
  });
});
