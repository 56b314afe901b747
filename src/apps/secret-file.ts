import { readFile } from "node:fs/promises";
import { writeFileDurably } from "#platform";

/** The secret in the file; made by `make` where there is none. */
export async function secretFile(path: string, make: () => string): Promise<string> {
  const present = await readFile(path, "utf8").catch((error: NodeJS.ErrnoException) => {
    if (error.code === "ENOENT") return null;
    throw error;
  });
  if (present !== null) return present.trim();
  const secret = make();
  await writeFileDurably(path, `${secret}\n`);
  return secret;
}
