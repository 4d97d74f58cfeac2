/** Whether host ports are free: asked before a pod that publishes them is made. */
export interface HostPorts {
  /** True when something on this machine listens on it already (a bind there would fail with EADDRINUSE). */
  isBound(port: { protocol: 'TCP' | 'UDP' | 'SCTP'; hostIp: string; hostPort: number }): Promise<boolean>;
}
