import { mkdtemp, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, beforeAll, expect, test } from "vitest";
import type { Caisson } from "./caisson.ts";
import { runCli } from "./run-cli.ts";
import type { CliRun } from "./run-cli.ts";
import { startCaisson } from "./start-caisson.ts";
import { until } from "./until.ts";

let caisson: Caisson;
let home: string;
beforeAll(async () => {
  caisson = await startCaisson();
  home = await mkdtemp(join(tmpdir(), "caisson-fence-"));
  await writeFile(join(home, "north.key"), `${caisson.north.key}\n`, { mode: 0o600 });
  await caisson.serve({ name: "verbs" });
});
afterAll(async () => {
  await caisson[Symbol.asyncDispose]();
  await rm(home, { recursive: true, force: true });
});

function as(who: "operator" | "north", ...args: string[]): Promise<CliRun> {
  const operator = join(caisson.data, "keys/operator.key");
  return runCli(args, {
    CAISSON_URL: caisson.operator.url,
    CAISSON_DATA: caisson.data,
    CAISSON_KEY_FILE: who === "operator" ? operator : join(home, "north.key"),
    CAISSON_PROFILE: join(home, "no-profile.json"),
  });
}

async function answer(): Promise<string> {
  const { status, code } = await caisson.call(caisson.north.key, "/api/ext/acme.verbs/");
  return code === "" ? String(status) : code;
}

test("halt shows what it stops and who acknowledged; list and status show it; resume lifts it", async () => {
  const why = ["--reason", "an odd answer"];
  const dry = await as("operator", "halt", "--extension", "acme.verbs", "--dry-run", ...why);
  expect(dry).toMatchObject({ exit: 0 });
  expect(dry.out).toContain("would stop extension acme.verbs\n  1 installs of 1 tenants");
  expect(await answer()).toBe("200");

  const halted = await as("operator", "halt", "--extension", "acme.verbs", ...why);
  expect(halted).toMatchObject({ exit: 0 });
  expect(halted.out).toMatch(/stopped extension acme\.verbs \(fence \d+\)/);
  expect(halted.out.match(/acknowledged: /g)).toHaveLength(3);
  expect(await answer()).toBe("call.halted");
  expect((await as("operator", "fence", "list")).out).toContain("an odd answer");
  const status = await as("north", "status", "acme.verbs", "--json");
  expect(status.json).toMatchObject({
    state: "fenced",
    failure: expect.stringContaining("an odd answer") as string,
  });

  expect(await as("operator", "resume", "--extension", "acme.verbs")).toMatchObject({ exit: 0 });
  await until("the extension to answer", async () => ((await answer()) === "200" ? true : null));
  expect((await as("operator", "resume", "--extension", "acme.verbs")).exit).toBe(3);
});

test("a verb with a missing edge says which, and has an exit status of its own", async () => {
  const gateway = caisson.pidOf("gateway");
  process.kill(gateway, "SIGSTOP");
  const halted = await as("operator", "halt", "--extension", "acme.none", "--reason", "test");
  process.kill(gateway, "SIGCONT");
  expect(halted.exit).toBe(7);
  expect(halted.out).toMatch(/gateway [0-9a-f-]{36} MISSING: connected/);
  const resumed = await as("operator", "resume", "--extension", "acme.none", "--json");
  expect(resumed).toMatchObject({ exit: 0, json: { missing: [] } });
});

test("a tenant halts and resumes its own install by the extension's name", async () => {
  const own = ["--tenant", caisson.north.id, "--extension", "acme.verbs"];
  expect(await as("north", "halt", ...own, "--reason", "mine")).toMatchObject({ exit: 0 });
  expect(await answer()).toBe("call.halted");
  expect(await as("north", "resume", ...own)).toMatchObject({ exit: 0 });
  const all = await as("north", "halt", "--all", "--reason", "not mine");
  expect(all.exit).toBe(4);
});

test("revoke takes a version back for good, wherever it is named", async () => {
  const artifact = await caisson.serve({ name: "taken", version: "1.2.3" });
  const revoked = await as("operator", "revoke", "acme.taken@1.2.3", "--reason", "a hole");
  expect(revoked).toMatchObject({ exit: 0 });
  expect(revoked.out).toContain(`stopped digest ${artifact.digest} (fence`);
  expect(revoked.out).toContain("for good");
  const refused = await as("north", "install", "acme.taken", "--version", "1.2.3");
  expect(refused.exit).toBe(1);
  expect(refused.err).toContain("fence.revoked");
  expect(refused.err).toContain("a hole");
  const nothing = await as("operator", "revoke", "acme.taken@9.9.9", "--reason", "x");
  expect(nothing.exit).toBe(2);
  const both = await as(
    "operator",
    "revoke",
    "--publisher",
    "acme",
    "--key",
    "sha256:0",
    "--reason",
    "x",
  );
  expect(both.exit).toBe(2);
});
