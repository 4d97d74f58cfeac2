/** Values of a container's variables by name. */
export type Variables = ReadonlyMap<string, string>;

/**
 * Puts values in the place of `$(NAME)`, as Kubernetes does in env, command and args. `$$` stands for one `$`, so that
 * `$$(NAME)` is the text `$(NAME)`; a name that has no value, and any other `$`, stay as they are.
 */
export function expandVariables(text: string, variables: Variables): string {
  return text.replace(/\$(?:\$|\(([^)]*)\))/g, (match, name: string | undefined) =>
    name === undefined ? '$' : (variables.get(name) ?? match),
  );
}

/** A container's variables in their order: each value may refer to those before it. */
export function variablesOf(env: readonly { name: string; value?: string }[]): Variables {
  const variables = new Map<string, string>();
  for (const { name, value = '' } of env) variables.set(name, expandVariables(value, variables));
  return variables;
}
