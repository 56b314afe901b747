import { existsSync, readdirSync, readFileSync } from "node:fs";
import { expect, test } from "vitest";
import { errors } from "#contract";
import { generatedFiles } from "../scripts/generated-files.ts";
import { publicNames } from "../scripts/generate-docs.ts";

test.each([...generatedFiles()])("%s is what the code generates", (path, text) => {
  expect(
    existsSync(path) ? readFileSync(path, "utf8") : "",
    `run npm run generate, then commit ${path}`,
  ).toBe(text);
});

test("every code of the catalogue is raised somewhere, and none is raised that is not in it", () => {
  const sources = readdirSync("src", { recursive: true, encoding: "utf8" })
    .filter(
      (path) =>
        path.endsWith(".ts") && !path.endsWith(".test.ts") && !path.endsWith("contract/errors.ts"),
    )
    .map((path) => readFileSync(`src/${path}`, "utf8"))
    .join("\n");
  const unused = Object.keys(errors).filter((code) => !sources.includes(`"${code}"`));
  expect(unused).toEqual([]);
});

test("reserved names appear nowhere in the product", () => {
  const product = readdirSync("src", { recursive: true, encoding: "utf8" })
    .filter((path) => path.endsWith(".ts"))
    .map((path) => readFileSync(`src/${path}`, "utf8"))
    .join("\n");
  const reserved = Object.entries(publicNames).filter(([, { state }]) => state === "reserved");
  for (const [name] of reserved) expect(product).not.toContain(name.replace("POST ", ""));
});
