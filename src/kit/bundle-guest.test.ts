import { mkdir, mkdtemp, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { dirname, join } from "node:path";
import { expect, test } from "vitest";
import { parseExtensionConfig } from "#contract";
import { bundleGuest } from "./bundle-guest.ts";
import type { GuestBundle } from "./bundle-guest.ts";
import { withSourceLines } from "./line-table.ts";

const CONFIG = parseExtensionConfig(
  Buffer.from(
    JSON.stringify({
      schema: 1,
      publisher: "acme",
      name: "lines",
      version: "1.0.0",
      wit: "caisson:ext@1.0.0",
      component: "lines.wasm",
      endpoints: [{ method: "GET", path: "/" }],
      capabilities: { log: {} },
    }),
  ),
);

async function bundle(
  files: Readonly<Record<string, string>>,
  said: string[] = [],
): Promise<GuestBundle> {
  const folder = await mkdtemp(join(tmpdir(), "caisson-bundle-"));
  try {
    for (const [name, text] of Object.entries(files)) {
      await mkdir(dirname(join(folder, name)), { recursive: true });
      await writeFile(join(folder, name), text);
    }
    return await bundleGuest(
      join(folder, "src/index.ts"),
      CONFIG,
      (text) => said.push(text),
      "draft",
    );
  } finally {
    await rm(folder, { recursive: true, force: true });
  }
}

/** Where the engine would place `text` of the bundle. */
function placeOf({ code, lines }: GuestBundle, text: string): string {
  const before = code.slice(0, code.indexOf(text)).split("\n");
  const column = (before.at(-1)?.length ?? 0) + 1;
  return withSourceLines(`componentize-qjs:user.js:${before.length}:${column}`, lines);
}

const HANDLER = "export const handler = { handle() {} };\n";

test("bundleGuest() knows the source line of each line of the bundle", async () => {
  const made = await bundle({
    "src/index.ts": `interface Gone {\n  a: string;\n}\n\nimport { b } from "./b.ts";\n${HANDLER}b("here");\n`,
    "src/b.ts":
      "type Gone = string;\n\nexport function b(x: Gone) {\n  return inside(x);\n}\nfunction inside(x: string) { return x }\n",
  });
  expect(placeOf(made, "inside(x)")).toBe("src/b.ts:4");
  expect(placeOf(made, 'b("here")')).toBe("src/index.ts:7");
});

test("bundleGuest() tells lines apart that the bundler joins", async () => {
  const made = await bundle({
    "src/index.ts": `${HANDLER}[1]\n  .map(String)\n  .filter(Boolean)\n  .join("mark");\n`,
  });
  expect(placeOf(made, "map(String)")).toBe("src/index.ts:3");
  expect(placeOf(made, 'join("mark"')).toBe("src/index.ts:5");
});

test("bundleGuest() puts no path of this machine into the bundle, and the same sources give the same text", async () => {
  const files = { "src/index.ts": HANDLER };
  const [one, other] = [await bundle(files), await bundle(files)];
  expect(one.code).toBe(other.code);
  expect(one.code).not.toContain(tmpdir());
  expect(one.code).not.toContain("sdk/guest");
});

test("bundleGuest() names file, line and column of a source that does not parse", async () => {
  const made = bundle({ "src/index.ts": `${HANDLER}let x = ;\n` });
  await expect(made).rejects.toMatchObject({ code: "component.build" });
  await expect(made).rejects.toThrow(/src\/index\.ts:2:9: Unexpected ";"/);
});

test("bundleGuest() leaves the lines out, and says so, where they would take too much of each instance's memory", async () => {
  const said: string[] = [];
  const many = Array.from({ length: 20_000 }, (_, i) => `globalThis.x${i} = ${i};`).join("\n");
  const made = await bundle({ "src/index.ts": `${HANDLER}${many}\n` }, said);
  expect(made.lines).toEqual({ files: [], lines: [] });
  expect(said).toEqual([expect.stringContaining("too many lines")]);
});
