import { mkdir, readFile } from "node:fs/promises";
import { join } from "node:path";
import { newApiKey } from "#platform";
import { writeEnrolment } from "#link";
import type { ControlKeys } from "#registry";
import { edgeKinds } from "#store";
import type { EdgeKind } from "#store";
import { newEdgeToken } from "#tenants";
import { secretFile } from "./secret-file.ts";

export interface LocalSecrets {
  readonly operatorKey: string;
  /** The edges of this machine and their tokens. */
  readonly edges: readonly (readonly [kind: EdgeKind, token: string])[];
}

/**
 * The operator's key, and the edges of this machine with their enrolment files (0600, in the data folder), made once.
 * operatorKeyFile: of the operator's own; null: development mode makes one.
 */
export async function localSecrets(
  data: string,
  { url, operatorKeyFile }: { readonly url: string; readonly operatorKeyFile: string | null },
  keys: ControlKeys,
): Promise<LocalSecrets> {
  await mkdir(join(data, "edge"), { recursive: true, mode: 0o700 });
  const operatorKey =
    operatorKeyFile === null
      ? await secretFile(join(data, "keys/operator.key"), newApiKey)
      : (await readFile(operatorKeyFile, "utf8")).trim();
  const pinned = { url, stateKey: keys.state.publicKey, trustRootKey: keys.trustRoot.publicKey };
  const edges: [EdgeKind, string][] = [];
  for (const kind of edgeKinds) {
    const edgeToken = await secretFile(join(data, `edge/${kind}.token`), newEdgeToken);
    await writeEnrolment(join(data, `edge/${kind}.json`), { ...pinned, edgeToken });
    edges.push([kind, edgeToken]);
  }
  return { operatorKey, edges };
}
