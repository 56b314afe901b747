export { buildComponent } from "./build-component.ts";
export { KitError } from "./kit-error.ts";
export { readLayout, writeLayout } from "./layout.ts";
export type { Packed } from "./pack.ts";
export { assemble, packFiles, packFolder } from "./pack.ts";
export { createPublisherKey, readPublisherKey } from "./publisher-key.ts";
export { pushArtifact } from "./push.ts";
export type { SignedArtifact } from "./sign.ts";
export { attachBundle, signPacked } from "./sign.ts";
