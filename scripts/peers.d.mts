export interface PeerPaths {
  readonly crane: string;
  readonly oras: string;
}

/** Both tools; built where they are not in the cache. Throws an Error whose message names the way out. */
export function peerPaths(): PeerPaths;
/** Whether they are there or can be built. */
export function havePeers(): boolean;
