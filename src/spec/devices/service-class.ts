/** A class of service that annotations choose for a container. */
export interface ChosenClass {
  name: string;
  /** The annotation, as errors name it. */
  field: string;
}

export interface AnnotatedContainer {
  name: string;
  annotations: Readonly<Record<string, string>>;
  podAnnotations: Readonly<Record<string, string>>;
}

/**
 * The class of block I/O or of caches (`rdt`) that a container is to be in, by the annotations that containerd and CRI-O know: the
 * container's own, the pod's for the container by name, the pod's for all of its containers. An empty one chooses none.
 */
export function chosenClass(
  kind: 'blockio' | 'rdt',
  { name, annotations, podAnnotations }: AnnotatedContainer,
): ChosenClass | undefined {
  const own = `io.kubernetes.cri.${kind}-class`;
  const ofContainer = `${kind}.resources.beta.kubernetes.io/container.${name}`;
  const ofPod = `${kind}.resources.beta.kubernetes.io/pod`;
  const places: [value: string | undefined, field: string][] = [
    [annotations[own], `config.annotations["${own}"]`],
    [podAnnotations[ofContainer], `sandbox_config.annotations["${ofContainer}"]`],
    [podAnnotations[ofPod], `sandbox_config.annotations["${ofPod}"]`],
  ];
  const [chosen, field = ''] = places.find(([value]) => value !== undefined) ?? [];
  return chosen === undefined || chosen === '' ? undefined : { name: chosen, field };
}
