/** Where the security context is in the requests that make a sandbox or a container. */
export const securityField = 'config.linux.security_context';
/** Where its namespaces are. */
export const namespacesField = `${securityField}.namespace_options`;
