import { readFileSync } from "node:fs";
import { join } from "node:path";
import { afterAll, beforeAll, expect, test } from "vitest";
import { digestOf, equalBytes, leafHash, sha256 } from "#trust";
import { verifyLogFolder } from "#log";
import { pack } from "./caisson.ts";
import type { Caisson } from "./caisson.ts";
import { startCaisson } from "./start-caisson.ts";

let caisson: Caisson;
beforeAll(async () => {
  caisson = await startCaisson();
});
afterAll(() => caisson[Symbol.asyncDispose]());

interface AuditRow {
  readonly leaf: Buffer;
  readonly log_index: string;
  readonly salt: Buffer;
  readonly record: Buffer;
}

async function auditRows(): Promise<AuditRow[]> {
  const rows = await caisson.sql("select * from audit_record order by log_index");
  return rows as unknown as AuditRow[]; // the table's columns
}

test("every verdict and every change is a salted leaf of the audit log, refusals too", async () => {
  const artifact = caisson.sign(await pack({ name: "audited" }));
  expect(await caisson.publish(artifact)).toBe("admitted");
  expect(
    await caisson.install(caisson.north, "acme.audited", { memoryBytes: 120_000_000 }),
  ).toContain("grant.wider");
  const rows = await auditRows();
  const records = rows.map(
    ({ record }) =>
      JSON.parse(record.toString("utf8")) as { kind: string; detail: string; subject: string },
  );
  const ofArtifact = records
    .filter(({ subject }) => subject === artifact.digest)
    .map(({ detail }) => detail.split(" ").slice(0, 2).join(" "));
  expect(ofArtifact).toEqual(["publish allow", "install deny"]);
  expect(new Set(records.map(({ kind }) => kind))).toEqual(
    new Set([
      "tenant.created",
      "key.created",
      "publisher.created",
      "anchor.added",
      "anchor.scoped",
      "verdict",
    ]),
  );
  for (const { leaf, salt, record } of rows)
    expect(equalBytes(sha256(salt, record), leaf)).toBe(true);
  await expectInLog(rows);
});

async function expectInLog(rows: readonly AuditRow[]): Promise<void> {
  const folder = join(caisson.data, "logs/audit");
  const verifierKey = readFileSync(`${folder}.vkey`, "utf8").trim();
  const report = await verifyLogFolder(folder, { verifierKey });
  expect(report.size).toBe(BigInt(rows.length));
  const tile = readFileSync(join(folder, `tile/0/000.p/${rows.length}`));
  for (const { leaf, log_index } of rows) {
    const at = Number(log_index) * 32;
    expect(equalBytes(leafHash(leaf), tile.subarray(at, at + 32))).toBe(true);
  }
}

test("no record holds a key", async () => {
  const rows = await auditRows();
  for (const { record } of rows) expect(record.toString("utf8")).not.toMatch(/csk_|cse_|PRIVATE/);
  expect(digestOf("file", rows[0]?.record ?? new Uint8Array())).toMatch(/^sha256:/);
});
