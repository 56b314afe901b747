import type { Claim } from "./claim.ts";

export const callClaims: readonly Claim[] = [];
