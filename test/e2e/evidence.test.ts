import { mkdtemp, readFile, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, beforeAll, expect, test } from "vitest";
import { evidenceText, parseEvidence } from "../../src/core/contract/index.ts";
import type { Evidence } from "../../src/core/contract/index.ts";
import { newSigner } from "../fakes/releases.ts";
import { pack } from "./caisson.ts";
import type { Caisson } from "./caisson.ts";
import { runCli } from "./run-cli.ts";
import { startCaisson } from "./start-caisson.ts";
import { until } from "./until.ts";

interface Line {
  readonly how: string;
  readonly what: string;
  readonly ok: boolean;
  readonly detail: string;
}

let caisson: Caisson;
let folder: string;
let pins: string;
beforeAll(async () => {
  caisson = await startCaisson();
  folder = await mkdtemp(join(tmpdir(), "cai-evidence-"));
  await caisson.serve({ name: "shown", capabilities: ["log"], guest: "log-writer" });
  pins = join(folder, "pins.json");
  expect((await cli("trust", "pins", "--out", pins)).exit).toBe(0);
});
afterAll(async () => {
  await caisson[Symbol.asyncDispose]();
  await rm(folder, { recursive: true, force: true });
});

function cli(...args: readonly string[]) {
  const { url } = caisson.operator;
  return runCli(args, {
    CAISSON_URL: url,
    CAISSON_KEY_FILE: join(caisson.data, "keys/operator.key"),
  });
}

/** As on another machine: no address, no key. */
async function verify(
  evidence: Evidence | Uint8Array,
  by = pins,
): Promise<{ exit: number; lines: Line[]; out: string }> {
  const file = join(folder, "judged.json");
  await writeFile(file, evidence instanceof Uint8Array ? evidence : evidenceText(evidence));
  const { exit, out, json } = await runCli(["verify", file, "--pins", by, "--json"], {
    CAISSON_URL: "http://127.0.0.1:1",
    CAISSON_KEY_FILE: "/nowhere",
    CAISSON_PROFILE: join(folder, "no-profile"),
  });
  return { exit, out, lines: (json as { lines?: Line[] } | undefined)?.lines ?? [] };
}

/** Of a call that has been recorded. */
async function ofCall(): Promise<{ evidence: Evidence; tree: string }> {
  const response = await fetch(`http://127.0.0.1:${caisson.gatewayPort}/api/ext/acme.shown`, {
    headers: { authorization: `Bearer ${caisson.north.key}` },
  });
  const id = response.headers.get("x-request-id") ?? "";
  const file = join(folder, "call.json");
  const tree = await until("the call's record", async () => {
    const { exit, out } = await cli("explain", id, "--tenant", "north", "--evidence", file);
    return exit === 0 ? out : null;
  });
  return { evidence: parseEvidence(await readFile(file)), tree };
}

test("explain --evidence of a request writes what verify judges again on another machine [EVIDENCE-BYTES twin]", async () => {
  const { evidence, tree } = await ofCall();
  expect(tree).toContain("installed by verdict:");
  const { exit, lines } = await verify(evidence);
  expect(lines.filter(({ ok }) => !ok)).toEqual([]);
  expect(exit).toBe(0);
  const said = lines.map(({ how, what }) => `${how} ${what}`);
  for (const wanted of [
    "proven artifact",
    "proven install audit",
    "proven install trust root",
    "proven install subject",
    "replayed install imports",
    "replayed install release",
    "replayed install grant",
    "replayed publish release",
    "proven publish audit",
    "proven chain",
    "proven call",
    "stated call",
  ])
    expect(said).toContain(wanted);
  // What control alone can know is never called proven.
  for (const step of ["state", "direction", "fence"])
    expect(said).toContain(`stated install ${step}`);
});

test("verify refuses evidence of which one byte of any part was changed [EVIDENCE-BYTES]", async () => {
  const { evidence } = await ofCall();
  const { artifact, grant, verdicts } = evidence;
  const [first, ...rest] = verdicts;
  if (artifact === null || grant === null || first === undefined)
    throw new Error("parts are missing");
  const { audit } = first;
  const changed: Readonly<Record<string, Evidence>> = {
    component: { ...evidence, artifact: { ...artifact, component: flip(artifact.component) } },
    config: { ...evidence, artifact: { ...artifact, config: flip(artifact.config) } },
    manifest: { ...evidence, artifact: { ...artifact, manifest: flip(artifact.manifest) } },
    bundle: { ...evidence, artifact: { ...artifact, bundle: flip(artifact.bundle) } },
    grant: { ...evidence, grant: flip(grant) },
    verdict: { ...evidence, verdicts: [{ ...first, document: flip(first.document) }, ...rest] },
    "trust root": {
      ...evidence,
      verdicts: [{ ...first, trustRoot: flip(first.trustRoot) }, ...rest],
    },
    salt: {
      ...evidence,
      verdicts: [{ ...first, audit: { ...audit, salt: flip(audit.salt) } }, ...rest],
    },
    record: {
      ...evidence,
      verdicts: [{ ...first, audit: { ...audit, record: flip(audit.record) } }, ...rest],
    },
    checkpoint: {
      ...evidence,
      verdicts: [{ ...first, audit: { ...audit, checkpoint: flip(audit.checkpoint) } }, ...rest],
    },
    index: {
      ...evidence,
      verdicts: [{ ...first, audit: { ...audit, index: audit.index + 1 } }, ...rest],
    },
    call: {
      ...evidence,
      execution: evidence.execution && {
        ...evidence.execution,
        contentHash: `sha256:${"0".repeat(64)}`,
      },
    },
    "no verdict": { ...evidence, verdicts: [] },
    "no artifact": { ...evidence, artifact: null },
  };
  for (const [part, altered] of Object.entries(changed)) {
    const { exit, lines } = await verify(altered);
    expect(exit, part).toBe(1);
    expect(
      lines.some(({ ok }) => !ok),
      part,
    ).toBe(true);
  }
});

test("verify accepts evidence under the keys of its own control [EVIDENCE-PINS twin]", async () => {
  const { evidence } = await ofCall();
  expect((await verify(evidence, pins)).exit).toBe(0);
});

test("verify refuses evidence under the keys of another control [EVIDENCE-PINS]", async () => {
  const { evidence } = await ofCall();
  await using other = await startCaisson();
  const theirs = join(folder, "theirs.json");
  const { url } = other.operator;
  const made = await runCli(["trust", "pins", "--out", theirs], {
    CAISSON_URL: url,
    CAISSON_KEY_FILE: join(other.data, "keys/operator.key"),
  });
  expect(made.exit).toBe(0);
  expect((await verify(evidence, theirs)).exit).toBe(1);
});

test("verify says of what is no evidence that it is none", async () => {
  const { exit, out } = await verify(Buffer.from("{}"));
  expect(exit).toBe(1);
  expect(out).toContain("evidence.malformed");
});

test("a refusal has evidence too: its verdict is in the audit log, its bytes are not handed out", async () => {
  const stranger = await caisson.publish(
    caisson.sign(await pack({ name: "strange" }), newSigner()),
  );
  expect(stranger).toContain("refused");
  const rows = await caisson.sql(
    "select id from verdict where outcome = 'deny' order by created_at desc limit 1",
  );
  const file = join(folder, "refusal.json");
  expect((await cli("explain", String(rows[0]?.["id"]), "--evidence", file)).exit).toBe(0);
  const evidence = parseEvidence(await readFile(file));
  expect(evidence.artifact).toBeNull();
  const { exit, lines } = await verify(evidence);
  expect(exit).toBe(0);
  expect(lines.map(({ how, what }) => `${how} ${what}`)).toEqual([
    "proven verdict",
    "proven publish audit",
    "proven publish trust root",
    "stated publish reasons",
  ]);
});

function flip(bytes: Uint8Array): Uint8Array {
  const copy = Uint8Array.from(bytes);
  const at = copy.length >> 1;
  copy[at] = (copy[at] ?? 0) ^ 1;
  return copy;
}
