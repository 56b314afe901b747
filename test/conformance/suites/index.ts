import type { SuiteResult } from "../suite.ts";
import { dsseSuite } from "./dsse.ts";
import { jsonCanonicalizationSuite } from "./json-canonicalization.ts";
import { merkleSuite } from "./merkle.ts";
import { sigstoreSuite } from "./sigstore.ts";
import { tlogC2spSuite, tlogSunlightSuite, tlogTesseraSuite, tlogTorchwoodSuite } from "./tlog.ts";
import { wycheproofSuite } from "./wycheproof.ts";

/** The public suites, each with the least number of cases that must have run. */
export const SUITES: readonly (readonly [name: string, floor: number, run: () => SuiteResult])[] = [
  ["wycheproof", 4_158, wycheproofSuite],
  ["dsse", 4, dsseSuite],
  ["json-canonicalization", 6, jsonCanonicalizationSuite],
  ["merkle", 518, merkleSuite],
  ["tlog-c2sp", 7, tlogC2spSuite],
  ["tlog-tessera", 49, tlogTesseraSuite],
  ["tlog-torchwood", 10, tlogTorchwoodSuite],
  ["tlog-sunlight", 4, tlogSunlightSuite],
  ["sigstore-conformance", 4, sigstoreSuite],
];
