import { readFileSync } from "node:fs";
import { ObjectReader, parseStrictJson } from "#trust";
import { selfCheckTable } from "#contract";
import type { SelfCheckId } from "#contract";

/** A row of docs/claims.json, which `npm run generate` writes from the claims of the tests. */
export interface ClaimRow {
  readonly id: string;
  readonly door: string;
  readonly sentence: string;
  readonly notClaimed: string;
  /** Names of the refusal test and its twin, as runs of the tests have them. */
  readonly refusal: string;
  readonly twin: string;
  /** What must hold in the running processes. */
  readonly selfChecks: readonly SelfCheckId[];
}

const MAX_FILE_BYTES = 2 * 1_048_576;
const TEXT = { max: 1_000 };

/** Throws TrustError for another form, Error where there is no such file. */
export function readClaims(path: string): ClaimRow[] {
  const bytes = readFileSync(path);
  const reader = ObjectReader.of(parseStrictJson(bytes, { maxBytes: MAX_FILE_BYTES }), "claims");
  reader.literal("v", 1);
  const rows = reader.objects("claims", {}, (claim) => ({
    id: claim.string("id", TEXT),
    door: claim.string("door", TEXT),
    sentence: claim.string("sentence", TEXT),
    notClaimed: claim.string("notClaimed", TEXT),
    refusal: claim.string("refusal", TEXT),
    twin: claim.string("twin", TEXT),
    selfChecks: claim.list("selfChecks", {}, (value) => selfCheckOf(value)),
  }));
  reader.end();
  return [...rows];
}

const IDS = Object.keys(selfCheckTable) as SelfCheckId[]; // its own keys

function selfCheckOf(value: unknown): SelfCheckId {
  const id = IDS.find((known) => known === value);
  if (id === undefined)
    throw new TypeError("docs/claims.json names a self-check that is not there");
  return id;
}
