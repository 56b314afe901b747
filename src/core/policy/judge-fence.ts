import { allow, deny } from "./verdict.ts";
import type { Reason } from "./verdict.ts";

/** What stands against a subject at the fence; null: nothing. */
export interface FenceFact {
  readonly scope: string;
  readonly id: string;
  readonly epoch: number;
  readonly reason: string;
  readonly reversible: boolean;
}

export function judgeFence({ fence }: { readonly fence: FenceFact | null }): Reason {
  if (fence === null) return allow("fence", "fence.clear", "nothing stops it");
  const { scope, id, epoch, reason, reversible } = fence;
  const what = `${scope} ${id} since fence ${epoch}: ${reason}`;
  return reversible
    ? deny("fence", "fence.halted", `halted: ${what}`)
    : deny("fence", "fence.revoked", `revoked: ${what}`);
}
