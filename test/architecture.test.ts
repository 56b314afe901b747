import { execFileSync } from "node:child_process";
import { existsSync, readFileSync } from "node:fs";
import { dirname, join, normalize } from "node:path";
import { expect, test } from "vitest";
import { domains, mayOpenDatabase, mayStartProcesses } from "../scripts/floors.ts";
import type { DomainName } from "../scripts/floors.ts";
import { floorFiles } from "../scripts/generate-floors.ts";

const files = execFileSync(
  "git",
  ["ls-files", "--cached", "--others", "--exclude-standard", "src"],
  { encoding: "utf8" },
)
  .split("\n")
  .filter((path) => path.endsWith(".ts") && existsSync(path));
const names = Object.keys(domains).filter((name): name is DomainName => name in domains);

interface Import {
  readonly file: string;
  readonly from: string;
}

const imports: Import[] = files.flatMap((file) =>
  [
    ...readFileSync(file, "utf8").matchAll(
      /(?:^|\n)\s*(?:import|export)\b[^;"]*?from\s+"([^"]+)"|import\(\s*"([^"]+)"\s*\)|(?:^|\n)import\s+"([^"]+)"/g,
    ),
  ].map((match) => ({
    file,
    from: match[1] ?? match[2] ?? match[3] ?? "",
  })),
);

function domainOf(path: string): DomainName | undefined {
  return names.find((name) => path.startsWith(`${domains[name].folder}/`));
}

test("every source file belongs to a domain of the import table", () => {
  expect(files.length).toBeGreaterThan(20);
  expect(files.filter((path) => domainOf(path) === undefined)).toEqual([]);
});

test("a domain imports only the faces its row names", () => {
  const wrong = imports.filter(({ file, from }) => {
    const domain = domainOf(file);
    if (domain === undefined || !from.startsWith("#") || file.endsWith(".test.ts")) return false;
    return !domains[domain].sees.some((seen) => `#${seen}` === from);
  });
  expect(wrong).toEqual([]);
});

test("no relative import leaves its domain", () => {
  const wrong = imports.filter(({ file, from }) => {
    // The set-up script that finds the native executables runs before there is a product.
    if (file.startsWith("src/apps/") && from === "../../scripts/native.mjs") return false;
    if (!from.startsWith(".") || file.endsWith(".test.ts")) return false;
    return domainOf(normalize(join(dirname(file), from))) !== domainOf(file);
  });
  expect(wrong).toEqual([]);
});

test("faces are seen downwards only, and never between control and edge", () => {
  for (const name of names) {
    for (const seen of domains[name].sees) {
      expect(domains[seen].floor, `${name} sees ${seen}`).toBeLessThan(domains[name].floor);
      const planes = [domains[name].folder, domains[seen].folder].map(
        (folder) => folder.split("/")[1],
      );
      expect(planes.includes("control") && planes.includes("edge"), `${name} sees ${seen}`).toBe(
        false,
      );
    }
  }
});

test("project references and lint overrides are those of the import table", () => {
  for (const [path, text] of floorFiles()) expect(readFileSync(path, "utf8"), path).toBe(text);
});

test("package.json names the face of every domain but the mains and the command line", () => {
  const declared = JSON.parse(readFileSync("package.json", "utf8")) as {
    imports: Record<string, string>;
  };
  const faced = names.filter((name) => name !== "apps" && name !== "cli");
  expect(declared.imports).toEqual(
    Object.fromEntries(faced.map((name) => [`#${name}`, `./${domains[name].folder}/index.ts`])),
  );
});

test("only the named places start processes or open a database", () => {
  const product = imports.filter(({ file }) => !file.endsWith(".test.ts"));
  const starts = product.filter(
    ({ file, from }) =>
      /^(node:)?child_process$/.test(from) &&
      !mayStartProcesses.some((place) => file.startsWith(place)),
  );
  expect(starts).toEqual([]);
  const opens = product.filter(
    ({ file, from }) =>
      ["pg", "kysely"].includes(from) && !mayOpenDatabase.some((place) => file.startsWith(place)),
  );
  // The embedded cluster's roles are made before there is a store.
  expect(opens.map(({ file }) => file)).toEqual(["src/apps/postgres-server.ts"]);
});

test("ARCHITECTURE.md names every domain", () => {
  const text = readFileSync("ARCHITECTURE.md", "utf8");
  for (const name of names) expect(text, name).toContain(domains[name].folder);
});
