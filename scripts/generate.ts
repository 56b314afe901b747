import { mkdirSync, writeFileSync } from "node:fs";
import { dirname } from "node:path";
import { floorFiles } from "./generate-floors.ts";

for (const [path, text] of floorFiles()) {
  mkdirSync(dirname(path), { recursive: true });
  writeFileSync(path, text);
  console.log(`wrote ${path}`);
}
