import {
  checkConsistency,
  checkInclusion,
  checkSubtreeConsistency,
  checkSubtreeInclusion,
  decodeBase64,
} from "../../../src/core/trust/index.ts";
import { openSet } from "../corpus.ts";
import { Suite } from "../suite.ts";
import type { SuiteResult } from "../suite.ts";

interface Probe {
  readonly wantErr: boolean;
  readonly proof: readonly string[] | null;
  readonly root?: string;
  readonly root1?: string;
  readonly root2?: string;
  readonly leafHash?: string;
  readonly [number: string]: unknown;
}

/** transparency-dev/merkle: every probe of the four proof kinds. */
export function merkleSuite(): SuiteResult {
  const set = openSet("merkle");
  const suite = new Suite("merkle");
  for (const file of set.files.filter((path) => path.endsWith(".json"))) {
    const probe = parseProbe(set.text(file));
    suite.verdict(file, !probe.wantErr, () => run(file.split("/")[0] ?? "", probe));
  }
  return suite.result();
}

/** Seven probes hold integers above 2^53 − 1: they are read from the source text. */
function parseProbe(text: string): Probe {
  const lossless = (_: string, value: unknown, context: { source?: string }) =>
    typeof value === "number" ? BigInt(context.source ?? "") : value;
  // The declared reviver has no third parameter yet.
  return JSON.parse(text, lossless as (key: string, value: unknown) => unknown) as Probe;
}

function run(kind: string, probe: Probe): void {
  const number = (name: string) => BigInt(probe[name] as bigint);
  const proof = (probe.proof ?? []).map((hash) => bytes(hash));
  switch (kind) {
    case "inclusion":
      return checkInclusion(
        bytes(probe.leafHash),
        number("leafIdx"),
        number("treeSize"),
        proof,
        bytes(probe.root),
      );
    case "consistency":
      return checkConsistency(
        number("size1"),
        number("size2"),
        proof,
        bytes(probe.root1),
        bytes(probe.root2),
      );
    case "subtreeinclusion":
      return checkSubtreeInclusion(
        bytes(probe.leafHash),
        number("leafIdx"),
        number("start"),
        number("end"),
        proof,
        bytes(probe.root),
      );
    case "subtreeconsistency":
      return checkSubtreeConsistency(
        number("start"),
        number("end"),
        number("size"),
        proof,
        bytes(probe.root1),
        bytes(probe.root2),
      );
    default:
      throw new Error(`unknown kind of probe "${kind}"`);
  }
}

function bytes(text = ""): Uint8Array {
  return decodeBase64(text, { maxBytes: 1_024 });
}
