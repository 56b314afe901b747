import { readFile } from "node:fs/promises";
import { join } from "node:path";
import { afterAll, beforeAll, expect, test } from "vitest";
import { call, operations } from "../../src/core/http-api/index.ts";
import { POSTURE_CSS } from "../../src/control/posture/index.ts";
import type { Caisson } from "../e2e/caisson.ts";
import { startCaisson } from "../e2e/start-caisson.ts";
import { runCli } from "../e2e/run-cli.ts";
import { lastAnswer, until } from "../e2e/until.ts";

/** Processes look at themselves every ten seconds. */
const TWO_LOOKS_MS = 25_000;
let caisson: Caisson;
beforeAll(async () => {
  caisson = await startCaisson();
});
afterAll(() => caisson[Symbol.asyncDispose]());

async function posture() {
  return call(caisson.operator, operations.postureShow);
}

async function stateOf(id: string): Promise<string[]> {
  const { checks } = await posture();
  return checks
    .filter((check) => check.id === id)
    .map(({ state, detail }) => `${state} ${detail}`.trim());
}

/** What the lines that rest on a self-check give as reasons that name it. */
async function reasons(line: string, check: string): Promise<string[]> {
  const { lines } = await posture();
  return (lines.find(({ id }) => id === line)?.why ?? []).filter((text) => text.includes(check));
}

async function untilAllRequiredAreOn(): Promise<void> {
  await until("every required self-check to be on", async () => {
    const { checks } = await posture();
    return checks.every(({ state, need }) => state === "on" || need === "more") ? true : null;
  });
}

test("a label is taken back when a live self-check finds a hole [POSTURE-LIVE]", async () => {
  await untilAllRequiredAreOn();
  await caisson.sql("alter role caisson_app bypassrls");
  try {
    const said = await lastAnswer(
      () => reasons("API-TENANT", "store.row-security"),
      (found) => found.length > 0,
      TWO_LOOKS_MS,
    );
    expect(said).toEqual([
      "self-check store.row-security of control: the role may pass over row-level security",
    ]);
  } finally {
    await caisson.sql("alter role caisson_app nobypassrls");
  }
});

test("a label stands while the live self-checks find none [POSTURE-LIVE twin]", async () => {
  await until("control to look again", async () =>
    (await stateOf("store.row-security"))[0] === "on" ? true : null,
  );
  expect(await reasons("API-TENANT", "store.row-security")).toEqual([]);
});

/** What control answers to an edge's report. */
async function reportAs(edge: "gateway" | "runner", id: string): Promise<number> {
  const text = await readFile(join(caisson.data, `edge/${edge}.token`), "utf8");
  const response = await fetch(new URL("/v1/edge/self-checks", caisson.operator.url), {
    method: "POST",
    headers: {
      authorization: `Bearer ${text.trim()}`,
      "content-type": "application/octet-stream",
    },
    body: JSON.stringify({ checks: [{ id, state: "on", detail: "" }] }),
  });
  return response.status;
}

test("an edge reports of its own kind of process alone [POSTURE-EDGE]", async () => {
  expect(await reportAs("gateway", "sandbox.seccomp")).toBe(400);
});

test("an edge reports of its own kind of process [POSTURE-EDGE twin]", async () => {
  expect(await reportAs("runner", "sandbox.seccomp")).toBe(200);
});

test("the page shows every claim and self-check, runs no script, and / leads to it", async () => {
  const root = await fetch(new URL("/", caisson.operator.url), { redirect: "manual" });
  expect([root.status, root.headers.get("location")]).toEqual([302, "/posture"]);
  const page = await fetch(new URL("/posture", caisson.operator.url));
  expect(page.headers.get("content-security-policy")).toContain("default-src 'none'");
  const html = await page.text();
  const { lines, checks } = await posture();
  for (const { id } of lines) expect(html).toContain(`<article id="${id}">`);
  for (const { id } of checks) expect(html).toContain(id);
  expect(html).not.toContain("<script");
  const css = await fetch(new URL("/posture.css", caisson.operator.url));
  expect(await css.text()).toBe(POSTURE_CSS);
});

test("of a sandbox that runs every layer that claims rest on is on, seen by the kernel where it shows it", async () => {
  await untilAllRequiredAreOn();
  for (const id of [
    "sandbox.landlock",
    "sandbox.seccomp",
    "sandbox.no-new-privileges",
    "sandbox.undumpable",
  ])
    expect((await stateOf(id))[0], id).toMatch(/^on/);
});

test("caisson doctor names each layer and what to do; what claims rest on being off is its exit status", async () => {
  await untilAllRequiredAreOn();
  const cli = (...args: string[]) =>
    runCli(args, {
      CAISSON_URL: caisson.operator.url,
      CAISSON_KEY_FILE: join(caisson.data, "keys/operator.key"),
    });
  const well = await cli("doctor");
  expect(well.out).toMatch(/^sandbox\.seccomp \(runner\) +on /m);
  expect(well.out).toMatch(/^could +transport\.tls/m);
  expect(well.exit).toBe(0);
  await caisson.sql("alter role caisson_app bypassrls");
  try {
    const ill = await lastAnswer(
      () => cli("doctor"),
      ({ exit }) => exit !== 0,
      TWO_LOOKS_MS,
    );
    expect(ill.exit).toBe(1);
    expect(ill.out).toMatch(
      /^TO DO +store\.row-security: the role may pass over row-level security/m,
    );
  } finally {
    await caisson.sql("alter role caisson_app nobypassrls");
  }
  const said = await cli("posture", "--why");
  expect(said.out).toMatch(/Partial \/ do-not-rely.* API-TENANT /);
  const json = await cli("posture", "--json");
  expect((json.json as { lines: unknown[] }).lines.length).toBeGreaterThan(100);
});
