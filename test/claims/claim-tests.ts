import { readdirSync, readFileSync } from "node:fs";

/** A test whose name ends with `[ID]` or `[ID twin]`. */
export interface ClaimTest {
  readonly file: string;
  readonly name: string;
  readonly id: string;
  readonly twin: boolean;
}

const NAME = /^(?:test|it)\(\s*"([^"]*\[([A-Z]+(?:-[A-Z]+)*)( twin)?\])"/gm;

/** Every test of the tree that belongs to a claim, by file and place. */
export function claimTests(): ClaimTest[] {
  const files = ["test", "src"].flatMap((folder) =>
    readdirSync(folder, { recursive: true, encoding: "utf8" })
      .filter((path) => path.endsWith(".test.ts"))
      .map((path) => `${folder}/${path}`),
  );
  return files.toSorted().flatMap((file) =>
    [...readFileSync(file, "utf8").matchAll(NAME)].map(([, name = "", id = "", twin]) => ({
      file,
      name,
      id,
      twin: twin !== undefined,
    })),
  );
}
