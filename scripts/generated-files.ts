import { claimsDoc, claimsJson } from "./generate-claims.ts";
import { contractDoc, errorsDoc, openApiDoc } from "./generate-docs.ts";
import { floorFiles } from "./generate-floors.ts";

/** Every file that is generated from code: path → text. */
export function generatedFiles(): Map<string, string> {
  return new Map([
    ...floorFiles(),
    ["docs/claims.md", claimsDoc()],
    ["docs/claims.json", claimsJson()],
    ["docs/errors.md", errorsDoc()],
    ["docs/contract.md", contractDoc()],
    ["openapi.json", openApiDoc()],
  ]);
}
