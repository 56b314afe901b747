import { existsSync } from "node:fs";
import { cp, mkdir, readdir, writeFile } from "node:fs/promises";
import { basename, join } from "node:path";
import { fileURLToPath } from "node:url";
import { CONFIG_SCHEMA, NAME_PATTERN, WIT_VERSION } from "#contract";
import { writeGuestTypes } from "./guest-types.ts";
import { KitError } from "./kit-error.ts";

const TEMPLATES = fileURLToPath(new URL("../../sdk/templates/", import.meta.url));

/** Makes an extension's folder from a template, with its types; returns the files made. Throws KitError "project.missing" for a bad name, template or folder. */
export async function createExtension(
  folder: string,
  publisher: string,
  template: string,
): Promise<string[]> {
  const name = basename(folder);
  if (!NAME_PATTERN.test(name) || !NAME_PATTERN.test(publisher))
    throw new KitError(
      "project.missing",
      `cannot make ${publisher}.${name}: publisher and folder name must be lower-case letters, digits and dashes`,
    );
  if (!["typescript", "c"].includes(template))
    throw new KitError(
      "project.missing",
      `cannot use template ${template}: wanted typescript or c`,
    );
  if (existsSync(folder) && (await readdir(folder)).length > 0)
    throw new KitError("project.missing", `cannot make an extension in ${folder}: it is not empty`);
  await mkdir(folder, { recursive: true });
  await cp(join(TEMPLATES, template), folder, { recursive: true });
  const config = {
    schema: CONFIG_SCHEMA,
    publisher,
    name,
    version: "0.1.0",
    wit: WIT_VERSION,
    component: `${name}.wasm`,
    endpoints: [{ method: "GET", path: "/" }],
    capabilities: template === "c" ? {} : { log: {} },
  };
  await writeFile(join(folder, "caisson.json"), `${JSON.stringify(config, null, 2)}\n`);
  if (template === "typescript") await writeGuestTypes(folder, ["log"]);
  return (await readdir(folder, { recursive: true }))
    .filter((path) => path.includes("."))
    .toSorted();
}
