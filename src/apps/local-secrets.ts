import { mkdir, readFile } from "node:fs/promises";
import { join } from "node:path";
import { newApiKey } from "#platform";
import type { Clock } from "#platform";
import { writeEnrolment } from "#link";
import type { ControlKeys } from "#registry";
import { edgeKinds } from "#store";
import type { EdgeKind, Store } from "#store";
import { enrolLocalEdge, newEdgeToken, retireLocalEdge } from "#tenants";
import { secretFile } from "./secret-file.ts";

/** The operator's key. file: of the operator's own; null: development mode makes one in the data folder. */
export async function operatorKeyOf(data: string, file: string | null): Promise<string> {
  return file === null
    ? secretFile(join(data, "keys/operator.key"), newApiKey)
    : (await readFile(file, "utf8")).trim();
}

export interface LocalEdges {
  readonly data: string;
  /** Where they reach control. */
  readonly url: string;
  /** Which of them this machine runs. */
  readonly kinds: readonly EdgeKind[];
  readonly keys: ControlKeys;
  readonly store: Store;
  readonly clock: Clock;
}

/** Enrols the edges of this machine: their tokens and enrolment files are 0600 files in the data folder, so that every start has the same ones. */
export async function enrolLocalEdges(parts: LocalEdges): Promise<void> {
  const { data, url, kinds, keys, store, clock } = parts;
  await mkdir(join(data, "edge"), { recursive: true, mode: 0o700 });
  const pinned = {
    url,
    ca: null,
    stateKey: keys.state.publicKey,
    trustRootKey: keys.trustRoot.publicKey,
  };
  for (const kind of edgeKinds) {
    const edgeToken = await secretFile(join(data, `edge/${kind}.token`), newEdgeToken);
    if (!kinds.includes(kind)) {
      await retireLocalEdge(store, clock, edgeToken);
      continue;
    }
    const edge = await enrolLocalEdge(store, clock, kind, edgeToken);
    await writeEnrolment(join(data, `edge/${kind}.json`), { ...pinned, edge, edgeToken });
  }
}
