const podVerbs = ['create', 'delete', 'get', 'list', 'update'];
/** Both verbs, since a client may ask for the upgrade by POST or by GET. */
const upgradeVerbs = ['create', 'get'];

function podPart(part: string, kind: string, verbs: string[]): object {
  return { name: `pods/${part}`, singularName: '', namespaced: true, kind, verbs };
}

/**
 * What Kubernetes' clients ask of an API before they do anything: its versions (meta/v1 APIVersions), its groups, of which
 * there are none, and the resources of v1 with what can be done to them. By path.
 */
export const discovery: Record<string, object> = {
  '/api': { kind: 'APIVersions', versions: ['v1'], serverAddressByClientCIDRs: [] },
  '/apis': { kind: 'APIGroupList', apiVersion: 'v1', groups: [] },
  '/api/v1': {
    kind: 'APIResourceList',
    groupVersion: 'v1',
    resources: [
      { name: 'events', singularName: 'event', namespaced: true, kind: 'Event', verbs: ['list'] },
      {
        name: 'pods',
        singularName: 'pod',
        namespaced: true,
        kind: 'Pod',
        verbs: podVerbs,
        shortNames: ['po'],
        categories: ['all'],
      },
      podPart('attach', 'PodAttachOptions', upgradeVerbs),
      podPart('exec', 'PodExecOptions', upgradeVerbs),
      podPart('log', 'Pod', ['get']),
      podPart('portforward', 'PodPortForwardOptions', upgradeVerbs),
    ],
  },
};
