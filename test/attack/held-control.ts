import { createPrivateKey } from "node:crypto";
import { readFile } from "node:fs/promises";
import { join } from "node:path";
import { grantHandle, openGrant, sealGrant } from "../../src/core/contract/index.ts";
import type { Grant } from "../../src/core/contract/index.ts";
import { call, operations } from "../../src/core/http-api/index.ts";
import {
  completeBundle,
  createSigner,
  documentTimes,
  logEntryOf,
  parseBundle,
} from "../../src/core/trust/index.ts";
import type { Signer } from "../../src/core/trust/index.ts";
import { attachBundle } from "../../src/kit/index.ts";
import type { SignedArtifact } from "../../src/kit/index.ts";
import { pack } from "../e2e/caisson.ts";
import type { Caisson, ExtensionParts } from "../e2e/caisson.ts";
import { until } from "../e2e/until.ts";
import { FakeLog } from "../fakes/releases.ts";
import { bundleOf, partsOf } from "./forge.ts";

/** A key of control, as whoever holds its data folder has it. */
export async function heldKey(caisson: Caisson, name: "state" | "artifact-log"): Promise<Signer> {
  return createSigner(createPrivateKey(await readFile(join(caisson.data, `keys/${name}.pem`))));
}

/** Whoever holds control admits a signed release without asking its publish door: own log, own row. */
export async function plantAdmitted(
  caisson: Caisson,
  parts: ExtensionParts,
): Promise<SignedArtifact> {
  const signed = caisson.sign(await pack(parts));
  const vkey = await readFile(join(caisson.data, "logs/artifacts.vkey"), "utf8");
  const log = new FakeLog(vkey.split("+")[0] ?? "", await heldKey(caisson, "artifact-log"));
  const pushed = bundleOf(signed);
  const entry = logEntryOf(parseBundle(pushed), caisson.signer.publicKey);
  const artifact = attachBundle(signed, completeBundle(pushed, log.include(entry)));
  await caisson.push(artifact);
  const { publisher, name, version } = artifact.config;
  await caisson.sql("delete from artifact where content_hash = $1", [artifact.digest]);
  await caisson.sql(
    `insert into artifact (content_hash, extension_id, version, state, config, created_at, admitted_at)
     values ($1, $2, $3, 'admitted', $4, now(), now())`,
    [
      artifact.digest,
      `${publisher}.${name}`,
      version,
      Buffer.from(partsOf(artifact).config).toString(),
    ],
  );
  return artifact;
}

/** Whoever holds control's state key signs another grant for an install: what the runner says of it. */
export async function loadGranted(
  caisson: Caisson,
  extension: string,
  change: (grant: Grant) => Grant,
): Promise<string> {
  const state = await heldKey(caisson, "state");
  const [row] = await caisson.sql(
    "select g.id, g.document from install_grant g join install i on i.id = g.install_id where i.extension_id = $1",
    [extension],
  );
  const now = new Date();
  const { body } = openGrant(row?.["document"] as Uint8Array, state.publicKey, now);
  const changed = { ...change(body), epoch: body.epoch + 1 };
  const times = documentTimes(now, new Date(now.getTime() + 3_600_000));
  const document = sealGrant(changed, times, state);
  const handle = grantHandle(openGrant(document, state.publicKey, now));
  await caisson.sql(
    `update install_grant set document = $2, handle = $3, content_hash = $4, state = 'building'
     where id = $1`,
    [row?.["id"], Buffer.from(document), Buffer.from(handle), changed.contentHash],
  );
  // Any change makes control send its next snapshot.
  await call(caisson.operator, operations.keyCreate, {
    params: { tenant: caisson.north.id },
    body: { name: "change", actions: ["ext:call"] },
  });
  return until("the runner's word", async () => {
    const [said] = await caisson.sql(
      "select state, coalesce(failure, '') as failure from install_grant where id = $1",
      [row?.["id"]],
    );
    return said?.["state"] === "building" ? null : Object.values(said ?? {}).join(" ");
  });
}
