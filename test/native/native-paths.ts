import { nativePaths as find } from "../../scripts/native.mjs";
import type { NativePaths } from "../../scripts/native.mjs";

let found: NativePaths | null = null;

/** The executables under test: CAISSON_NATIVE_DIR, the platform package, the cache, or built once. */
export function nativePaths(): NativePaths {
  found ??= find();
  return found;
}
