import type { SelfCheck } from "#contract";
import { UNKNOWN_API_KEY } from "#platform";
import type { RegistryParts } from "#registry";
import { rowSecurityHole } from "#store";
import { principalOf } from "#tenants";
import type { FenceLines } from "./fence-lines.ts";

/** What control finds in itself where it answers requests. */
export async function controlChecks(
  { store, fences }: Pick<RegistryParts, "store" | "fences">,
  fenceLines: FenceLines,
): Promise<SelfCheck[]> {
  return [
    await checked("api.known-answer", async () =>
      (await principalOf(store, UNKNOWN_API_KEY)) === null ? null : "an unknown key is taken",
    ),
    await checked("store.row-security", () => rowSecurityHole(store)),
    await checked("fence.acknowledged", async () => {
      const missing = (await fenceLines.standing(fences.current.epoch)).filter(
        ({ acknowledged }) => !acknowledged,
      );
      return missing.length === 0 ? null : `missing: ${missing.map(({ kind }) => kind).join(", ")}`;
    }),
  ];
}

/** look: null where it holds, else what was found; a look that fails does not hold. */
async function checked(
  id: SelfCheck["id"],
  look: () => Promise<string | null>,
): Promise<SelfCheck> {
  const found = await look().catch(() => "control could not look");
  return { id, state: found === null ? "on" : "off", detail: found ?? "" };
}
