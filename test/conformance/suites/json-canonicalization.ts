import {
  canonicalJson,
  decodeHex,
  equalBytes,
  parseStrictJson,
} from "../../../src/core/trust/index.ts";
import { openSet } from "../corpus.ts";
import { Suite } from "../suite.ts";
import type { SuiteResult } from "../suite.ts";

/** cyberphone/json-canonicalization: input, read by our strict parser, gives the output byte for byte. */
export function jsonCanonicalizationSuite(): SuiteResult {
  const set = openSet("json-canonicalization");
  const suite = new Suite("json-canonicalization");
  for (const file of set.files.filter((path) => path.startsWith("input/"))) {
    const name = file.slice("input/".length, -".json".length);
    const canonical = canonicalJson(parseStrictJson(set.bytes(file), { maxBytes: 65_536 }));
    const hex = decodeHex(set.text(`outhex/${name}.txt`).replace(/\s/g, ""));
    suite.check(
      name,
      equalBytes(canonical, set.bytes(`output/${name}.json`)) && equalBytes(canonical, hex),
    );
  }
  return suite.result();
}
