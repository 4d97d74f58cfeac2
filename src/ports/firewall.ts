/** netfilter through nftables: whole scripts, each one atomic transaction. */
export interface Firewall {
  /** Applies an nft script (nft(8) syntax) atomically; a refused script changes nothing and fails with `tool-failed`. */
  apply(script: string): Promise<void>;
  /** The ruleset of one table as nft JSON objects, empty where there is no such table. `family` e.g. `inet`. */
  dump(family: string, table: string): Promise<Record<string, unknown>[]>;
}
