/** Kernel settings of the host's own namespaces, by dotted name (`net.ipv4.ip_forward`). */
export interface Sysctls {
  read(name: string): Promise<string | undefined>;
  write(name: string, value: string): Promise<void>;
}
