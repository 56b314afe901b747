import { copyFile, mkdir, rm, writeFile } from "node:fs/promises";
import { dirname, join } from "node:path";
import { fileURLToPath } from "node:url";
import type { CapabilityName } from "#contract";
import { WORLD, worldText } from "./world.ts";

const GLOBALS = fileURLToPath(new URL("../../sdk/guest/globals.d.ts", import.meta.url));

/** Writes `<folder>/types`: TypeScript declarations of exactly the interfaces that these capabilities open, from their WIT. */
export async function writeGuestTypes(
  folder: string,
  capabilities: readonly CapabilityName[],
): Promise<void> {
  const { $init, generateTypes } = await import("@bytecodealliance/jco-transpile/component");
  await $init;
  const files = generateTypes(WORLD, {
    wit: { tag: "source", val: await worldText(capabilities) },
    world: WORLD,
    guest: true,
    features: { tag: "list", val: [] },
  });
  const types = join(folder, "types");
  await rm(types, { recursive: true, force: true });
  for (const [name, text] of files) {
    const path = join(types, name);
    await mkdir(dirname(path), { recursive: true });
    await writeFile(path, text);
  }
  await copyFile(GLOBALS, join(types, "globals.d.ts"));
}
