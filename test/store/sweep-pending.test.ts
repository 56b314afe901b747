import { afterAll, beforeAll, expect, test } from "vitest";
import { limits } from "#contract";
import { fixedClock } from "#platform";
import { sweepPending } from "#registry";
import { startTestDatabase } from "./database.ts";
import type { TestDatabase } from "./database.ts";

let database: TestDatabase;
beforeAll(async () => {
  database = await startTestDatabase();
});
afterAll(() => database[Symbol.asyncDispose]());

const NOW = new Date("2030-01-02T00:00:00Z");
const OLD = new Date(NOW.getTime() - limits.pendingMs.value - 1);

function digest(letter: string): string {
  return `sha256:${letter.repeat(64)}`;
}

async function addManifest(
  letter: string,
  created_at: Date,
  subject: string | null,
): Promise<void> {
  const row = {
    repository: "acme/x",
    digest: digest(letter),
    media_type: "m",
    artifact_type: null,
    subject,
    annotations: "{}",
    bytes: Buffer.of(1),
    created_at,
  };
  await database.store.asSystem((tx) => tx.insertInto("manifest").values(row).execute());
}

test("sweepPending() removes what was never judged, with its referrers, and keeps what is young or admitted", async () => {
  await addManifest("a", OLD, null);
  await addManifest("b", OLD, digest("a"));
  await addManifest("c", NOW, null);
  await addManifest("d", OLD, null);
  await addManifest("e", OLD, digest("d"));
  const admitted = {
    content_hash: digest("d"),
    extension_id: "acme.x",
    version: "1.0.0",
    state: "admitted" as const,
    config: "{}",
    signature: null,
    publisher_identity: null,
    sbom_reference: null,
    verdict_id: null,
    created_at: OLD,
    admitted_at: OLD,
  };
  await database.store.asSystem((tx) => tx.insertInto("artifact").values(admitted).execute());
  expect(await sweepPending({ store: database.store, clock: fixedClock(NOW.toISOString()) })).toBe(
    2,
  );
  const left = await database.store.asSystem((tx) =>
    tx.selectFrom("manifest").select("digest").orderBy("digest").execute(),
  );
  expect(left.map((row) => row.digest)).toEqual([digest("c"), digest("d"), digest("e")]);
});
