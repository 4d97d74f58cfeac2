/**
 * Controllers of v1 hierarchies that are mounted nowhere, of the lines of /proc/self/cgroup, cgroups(7). A hierarchy that is
 * unmounted while groups in it are still dying stays as it is, bound to nothing that anybody can see.
 */
export function unmountedControllers(selfCgroup: string, mounted: readonly string[]): string[] {
  return selfCgroup
    .split('\n')
    .filter((line) => line !== '' && !line.startsWith('0::'))
    .map((line) => line.split(':')[1] ?? '')
    .filter((controllers) => controllers !== '' && !controllers.startsWith('name='))
    .flatMap((controllers) => controllers.split(','))
    .filter((controller) => !mounted.includes(controller));
}
