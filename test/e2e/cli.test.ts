import { cp, mkdtemp, readdir, readFile, rm, stat, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { afterAll, beforeAll, expect, test } from "vitest";
import type { Caisson } from "./caisson.ts";
import { runCli } from "./run-cli.ts";
import type { CliRun } from "./run-cli.ts";
import { startCaisson } from "./start-caisson.ts";
import { lastAnswer, until } from "./until.ts";

let caisson: Caisson;
let home: string;
let publisherKey: string;
beforeAll(async () => {
  caisson = await startCaisson();
  home = await mkdtemp(join(tmpdir(), "caisson-cli-"));
  for (const { name, key } of [caisson.north, caisson.south])
    await writeFile(join(home, `${name}.key`), `${key}\n`, { mode: 0o600 });
  publisherKey = join(home, "acme.pem");
  await asOperator(["key", "make", publisherKey, "--json"]).then(trustKey);
});
afterAll(async () => {
  await caisson[Symbol.asyncDispose]();
  await rm(home, { recursive: true, force: true });
});

const TINY = fileURLToPath(new URL("../../extensions/tiny", import.meta.url));

function settings(keyFile: string): Record<string, string> {
  return {
    CAISSON_URL: caisson.operator.url,
    CAISSON_DATA: caisson.data,
    CAISSON_KEY_FILE: keyFile,
    CAISSON_PROFILE: join(home, "no-profile.json"),
  };
}

function asOperator(args: readonly string[], env: Record<string, string> = {}): Promise<CliRun> {
  return runCli(args, { ...settings(join(caisson.data, "keys/operator.key")), ...env });
}

function as(name: "north" | "south", ...args: string[]): Promise<CliRun> {
  return runCli(args, settings(join(home, `${name}.key`)));
}

async function trustKey({ json }: CliRun): Promise<string> {
  const { spki, publicKey } = json as { spki: string; publicKey: string };
  const pem = join(home, "public.pem");
  await writeFile(pem, publicKey);
  expect(await asOperator(["trust", "add", pem])).toMatchObject({ exit: 0 });
  expect(await asOperator(["trust", "scope", spki, "--publisher", "acme"])).toMatchObject({
    exit: 0,
  });
  return spki;
}

interface Wanted {
  readonly name: string;
  readonly version?: string;
  readonly capabilities?: Readonly<Record<string, object>>;
}

/** A folder with the tiny sample's source under a name of its own. */
async function folderOf({ name, version, capabilities }: Wanted): Promise<string> {
  const folder = await mkdtemp(join(home, `${name}-`));
  await cp(join(TINY, "src"), join(folder, "src"), { recursive: true });
  const config = JSON.parse(await readFile(join(TINY, "caisson.json"), "utf8")) as object;
  const own = {
    publisher: "acme",
    name,
    version: version ?? "1.0.0",
    ...(capabilities && { capabilities }),
  };
  await writeFile(join(folder, "caisson.json"), JSON.stringify({ ...config, ...own }));
  return folder;
}

async function released(wanted: Wanted): Promise<string> {
  const folder = await folderOf(wanted);
  for (const args of [
    ["pack", folder],
    ["sign", folder, "--key", publisherKey],
    ["publish", folder],
  ])
    expect(await as("north", ...args)).toMatchObject({ exit: 0 });
  return folder;
}

/** Every command of a help text. */
function commandsOf(help: string): string[] {
  const list = help.slice(help.indexOf("Commands:"));
  return [...list.matchAll(/^ {2}([a-z-]+)/gm)]
    .map((match) => match[1] ?? "")
    .filter((name) => name !== "help");
}

test("every verb and every verb below it explains itself", async () => {
  const top = commandsOf((await runCli(["--help"])).out);
  expect(top).toEqual(
    expect.arrayContaining([
      "new",
      "dev",
      "test",
      "check",
      "pack",
      "sign",
      "publish",
      "install",
      "uninstall",
      "list",
      "status",
      "invoke",
      "logs",
      "explain",
      "log",
      "login",
      "key",
      "trust",
      "tenant",
      "apikey",
      "operator",
      "revoke",
      "halt",
      "resume",
      "fence",
    ]),
  );
  for (const verb of top) {
    const { exit, out } = await runCli([verb, "--help"]);
    expect([exit, out.split("\n")[0]]).toEqual([
      0,
      expect.stringContaining(`Usage: caisson ${verb}`),
    ]);
    for (const below of out.includes("Commands:") ? commandsOf(out) : []) {
      const told = await runCli([verb, below, "--help"]);
      expect([told.exit, told.out]).toEqual([
        0,
        expect.stringContaining(`Usage: caisson ${verb} ${below}`),
      ]);
    }
  }
});

test("pack, sign, publish, install, list, status, invoke, explain, logs and uninstall work as text and as JSON", async () => {
  const folder = await folderOf({ name: "day" });
  const packed = await as("north", "pack", folder, "--json");
  const { digest } = packed.json as { digest: string };
  expect((await as("north", "pack", folder)).out.trim()).toBe(digest);
  const signed = await as("north", "sign", folder, "--key", publisherKey, "--json");
  expect(signed.json).toMatchObject({ digest });
  const published = await as("north", "publish", folder, "--json");
  expect(published.json).toMatchObject({ artifact: { contentHash: digest, state: "admitted" } });
  expect((await as("north", "publish", folder)).out).toContain(`admitted acme.day@1.0.0 ${digest}`);

  const installed = await as("south", "install", "acme.day", "--json");
  expect(installed.json).toMatchObject({ install: { state: "ready", contentHash: digest } });
  expect((await as("south", "list")).out).toContain(digest);
  expect((await as("south", "list", "--json")).json).toMatchObject({
    items: [{ extension: "acme.day" }],
  });
  expect((await as("south", "status", "acme.day")).out).toMatch(/state +ready/);
  expect((await as("south", "status", "acme.day", "--json")).json).toMatchObject({
    state: "ready",
  });

  await caisson.untilRouted(caisson.south, "acme.day");
  const called = await as("south", "invoke", "acme.day", "/");
  expect(called).toMatchObject({ exit: 0 });
  const request = /request (\S+)/.exec(called.err)?.[1] ?? "";
  const told = await until("the record of the call", async () => {
    const run = await as("south", "explain", request);
    return run.exit === 0 ? run.out : null;
  });
  expect(told).toContain("acme.day@1.0.0");
  expect(told).toContain("version.admitted");
  const { verdict } = (await as("south", "status", "acme.day", "--json")).json as {
    verdict: string;
  };
  expect((await as("south", "explain", verdict)).out).toContain("install allow");
  expect((await as("south", "explain", verdict, "--json")).json).toMatchObject({ id: verdict });
  expect(await as("south", "logs")).toMatchObject({ exit: 0 });
  expect((await as("south", "logs", "acme.day", "--json")).json).toEqual({ items: [] });

  expect((await as("south", "uninstall", "acme.day", "--json")).json).toEqual({ removed: true });
  expect((await as("south", "list", "--json")).json).toEqual({ items: [] });
});

test("check tells the publish door's verdict before publishing, and leaves nothing behind", async () => {
  const folder = await folderOf({ name: "asked" });
  const { digest } = (await as("north", "pack", folder, "--json")).json as { digest: string };
  const check = () => as("north", "check", folder, "--policy", "--json");
  const reasonsOf = (json: unknown) =>
    (json as { reasons: { step: string; code: string }[] }).reasons.map(({ step, code }) => [
      step,
      code,
    ]);
  const unsigned = await check();
  expect(unsigned.exit).not.toBe(0);
  expect(unsigned.json).toMatchObject({ verdict: { outcome: "deny" } });

  const stranger = join(home, "stranger.pem");
  await as("north", "key", "make", stranger);
  await as("north", "sign", folder, "--key", stranger);
  const foreign = await check();
  const published = await as("north", "publish", folder, "--json");
  expect(reasonsOf((foreign.json as { verdict: unknown }).verdict)).toEqual(
    reasonsOf(published.json),
  );
  expect(foreign.exit).toBe(published.exit);

  const count = async () =>
    (
      await caisson.sql(
        "select (select count(*) from verdict) + (select count(*) from manifest) as n",
      )
    )[0]?.["n"];
  await as("north", "sign", folder, "--key", publisherKey);
  const before = await count();
  const allowed = await check();
  expect(allowed).toMatchObject({
    exit: 0,
    json: { verdict: { outcome: "allow", subject: digest } },
  });
  expect(await count()).toBe(before);
  expect((await as("north", "check", folder, "--policy")).out).toContain(
    `would be admitted: acme.asked@1.0.0 ${digest}`,
  );
  expect(await as("north", "publish", folder)).toMatchObject({ exit: 0 });
  expect(await check()).toMatchObject({ exit: 0 });
  expect(await as("north", "install", "acme.asked")).toMatchObject({ exit: 0 });
});

test("exit statuses are the catalogue's", async () => {
  expect((await as("north", "status", "acme.nowhere")).exit).toBe(3);
  expect((await as("north", "no-such-verb")).exit).toBe(2);
  expect((await as("north", "sign", home)).exit).toBe(2);
  expect((await as("north", "tenant", "list")).exit).toBe(4);
  expect((await runCli(["list"], { ...settings(join(home, "absent.key")) })).exit).toBe(2);
  const elsewhere = { ...settings(join(home, "north.key")), CAISSON_URL: "http://127.0.0.1:1" };
  expect((await runCli(["list"], elsewhere)).exit).toBe(5);
  const refused = await as("south", "list", "--tenant", caisson.north.id, "--json");
  expect(refused).toMatchObject({ exit: 4, json: { code: "auth.tenant" } });
});

test("a sealed key signs with its passphrase from a file or a variable, and with no other", async () => {
  const folder = await folderOf({ name: "sealed" });
  expect(await as("north", "pack", folder)).toMatchObject({ exit: 0 });
  const [right, wrong, key] = ["right", "wrong", "sealed.pem"].map((name) => join(home, name)) as [
    string,
    string,
    string,
  ];
  await writeFile(right, "correct horse\n");
  await writeFile(wrong, "battery staple\n");
  const made = await as("north", "key", "make", key, "--passphrase-file", right, "--json");
  expect(await readFile(key, "utf8")).toContain("BEGIN ENCRYPTED PRIVATE KEY");
  expect((await stat(key)).mode & 0o777).toBe(0o600);
  await trustKey(made);
  const sign = ["sign", folder, "--key", key];
  expect(await as("north", ...sign, "--passphrase-file", right)).toMatchObject({ exit: 0 });
  const byVariable = {
    ...settings(join(home, "north.key")),
    CAISSON_KEY_PASSPHRASE: "correct horse",
  };
  expect(await runCli(sign, byVariable)).toMatchObject({ exit: 0 });
  for (const args of [sign, [...sign, "--passphrase-file", wrong]]) {
    const refused = await as("north", ...args, "--json");
    expect(refused.exit).not.toBe(0);
    expect(refused.json).toMatchObject({ code: "key.passphrase" });
  }
  expect(await as("north", "publish", folder)).toMatchObject({ exit: 0 });
});

test("key make never writes over a file; key rotate makes the next key", async () => {
  const before = await readFile(publisherKey, "utf8");
  expect((await as("north", "key", "make", publisherKey)).exit).toBe(2);
  expect(await readFile(publisherKey, "utf8")).toBe(before);
  const next = join(home, "next.pem");
  const rotated = await as("north", "key", "rotate", publisherKey, next, "--json");
  expect(rotated.err).toContain("caisson trust scope sha256:");
  expect(rotated.json).toMatchObject({ file: next });
  expect(await readFile(next, "utf8")).not.toBe(before);
});

test("login remembers where and who; nothing else has to be told afterwards", async () => {
  const profile = { CAISSON_PROFILE: join(home, "profile.json") };
  const args = ["login", "--url", caisson.operator.url, "--key-file", join(home, "south.key")];
  expect((await runCli([...args, "--json"], profile)).json).toMatchObject({
    tenant: caisson.south.id,
  });
  expect(await runCli(["list"], profile)).toMatchObject({ exit: 0 });
  const bad = join(home, "bad.key");
  await writeFile(bad, `csk_${"A".repeat(43)}\n`);
  const refused = await runCli(
    ["login", "--url", caisson.operator.url, "--key-file", bad],
    profile,
  );
  expect(refused.exit).toBe(4);
  expect(await runCli(["list"], profile)).toMatchObject({ exit: 0 });
});

test("an API key works until it is revoked", async () => {
  const name = "acme.keys";
  await released({ name: "keys" });
  expect(await as("south", "install", name)).toMatchObject({ exit: 0 });
  await caisson.untilRouted(caisson.south, name);
  const file = join(home, "made.key");
  const made = await as("south", "apikey", "create", "made", "--out", file, "--json");
  const { id } = made.json as { id: string };
  expect(made.out).not.toContain("csk_");
  expect((await stat(file)).mode & 0o777).toBe(0o600);
  const key = (await readFile(file, "utf8")).trim();
  const status = async () => (await caisson.call(key, `/api/ext/${name}/`)).status;
  expect(await lastAnswer(status, (answer) => answer === 200)).toBe(200);
  expect((await as("south", "apikey", "list")).out).toMatch(new RegExp(`made +${id} +live`));
  expect((await as("north", "apikey", "revoke", id)).exit).toBe(3);
  expect(await as("south", "apikey", "revoke", id)).toMatchObject({ exit: 0 });
  expect((await as("south", "apikey", "list")).out).toMatch(new RegExp(`made +${id} +revoked`));
  expect(await lastAnswer(status, (answer) => answer === 401)).toBe(401);
  expect((await runCli(["list"], settings(file))).exit).toBe(4);
});

test("tenants and publishers are made and listed by the operator", async () => {
  const made = await asOperator(["tenant", "create", "west", "--json"]);
  expect(made.json).toMatchObject({ name: "west" });
  expect((await asOperator(["tenant", "create", "west"])).exit).toBe(2);
  expect((await asOperator(["tenant", "list"])).out).toContain("west");
  const publisher = ["publisher", "create", "west-corp", "--tenant", "west"];
  expect(await asOperator(publisher)).toMatchObject({ exit: 0 });
  const taken = ["publisher", "create", "west-corp", "--tenant", "north", "--json"];
  expect(await asOperator(taken)).toMatchObject({ exit: 2, json: { code: "publisher.exists" } });
});

test("a key without a scope is refused by publish, which names the command; trust list shows both", async () => {
  const key = join(home, "unscoped.pem");
  const made = await as("north", "key", "make", key, "--json");
  const { spki, publicKey } = made.json as { spki: string; publicKey: string };
  const pem = join(home, "unscoped-public.pem");
  await writeFile(pem, publicKey);
  const added = await asOperator(["trust", "add", pem]);
  expect(added.out).toContain(`caisson trust scope ${spki}`);
  const folder = await folderOf({ name: "unscoped" });
  await as("north", "pack", folder);
  await as("north", "sign", folder, "--key", key);
  const refused = await as("north", "publish", folder);
  expect(refused.exit).toBe(1);
  expect(refused.err).toContain(`caisson trust scope ${spki}`);
  expect((await asOperator(["trust", "list"])).out).toMatch(new RegExp(`${spki} +\\S+ +nobody`));
  expect(await asOperator(["trust", "scope", spki, "--publisher", "acme"])).toMatchObject({
    exit: 0,
  });
  expect((await asOperator(["trust", "list", "--json"])).json).toMatchObject({
    items: expect.arrayContaining([
      expect.objectContaining({ spki, scope: expect.objectContaining({ publishers: ["acme"] }) }),
    ]),
  });
  expect(await as("north", "publish", folder)).toMatchObject({ exit: 0 });
  expect(await asOperator(["trust", "scope", spki, "--no-publishers"])).toMatchObject({ exit: 0 });
  const later = await folderOf({ name: "unscoped", version: "1.0.1" });
  await as("north", "pack", later);
  await as("north", "sign", later, "--key", key);
  expect((await as("north", "publish", later)).exit).toBe(1);
});

test("an upgrade shows what it may do more; an older version needs --rollback", async () => {
  const name = "acme.versions";
  await released({ name: "versions" });
  expect(await as("south", "install", name)).toMatchObject({ exit: 0 });
  await released({ name: "versions", version: "1.1.0", capabilities: { log: {} } });
  const upgraded = await as("south", "install", name);
  expect(upgraded.out).toContain(`${name}@1.1.0 is ready`);
  expect(upgraded.out).toMatch(/capabilities\.diff {2}\+log/);
  const refused = await as("south", "install", name, "--version", "1.0.0");
  expect(refused.exit).toBe(1);
  expect(refused.err).toContain("version.downgrade");
  expect((await as("south", "status", name, "--json")).json).toMatchObject({ version: "1.1.0" });
  const back = await as("south", "install", name, "--version", "1.0.0", "--rollback");
  expect(back).toMatchObject({ exit: 0 });
  expect(back.out).toContain("version.rollback");
  expect(back.out).toMatch(/capabilities\.diff {2}-log/);
  expect((await as("south", "status", name, "--json")).json).toMatchObject({ version: "1.0.0" });
});

test("log verify believes neither a changed entry nor an older log than the one it saw", async () => {
  await released({ name: "logged" });
  const folder = join(caisson.data, "logs/artifacts");
  const [vkey, known, old] = [`${folder}.vkey`, join(home, "known"), join(home, "old-log")];
  await cp(folder, old, { recursive: true });
  await released({ name: "logged-later" });
  const verify = (place: string, ...more: string[]) =>
    runCli(["log", "verify", place, "--vkey", vkey, "--json", ...more]);
  const here = await verify(folder, "--known", known);
  expect(here).toMatchObject({ exit: 0, json: { size: expect.any(Number) } });
  const served = await verify(`${caisson.operator.url}/log/artifacts/`, "--known", known);
  expect(served.json).toEqual(here.json);

  expect(await verify(old)).toMatchObject({ exit: 0 });
  expect(await verify(old, "--known", known)).toMatchObject({
    exit: 1,
    json: { code: "log.invalid" },
  });
  expect((await verify(folder, "--known", known)).json).toEqual(here.json);

  const changed = join(home, "changed-log");
  await cp(folder, changed, { recursive: true });
  expect(await verify(changed)).toMatchObject({ exit: 0 });
  const entries = join(changed, "tile/entries");
  // Narrower tiles of earlier sizes lie beside the widest; no reader asks for them.
  const tiles = (await readdir(entries, { recursive: true })).filter((path) => /\/\d+$/.test(path));
  expect(tiles.length).toBeGreaterThan(0);
  for (const tile of tiles) {
    const bytes = await readFile(join(entries, tile));
    bytes[bytes.length - 5] = (bytes.at(-5) ?? 0) ^ 1;
    await writeFile(join(entries, tile), bytes);
  }
  expect(await verify(changed)).toMatchObject({ exit: 1, json: { code: "log.invalid" } });
});

test("operator reset-key: the old key is refused and the new one serves, without a restart", async () => {
  const old = join(home, "old-operator.key");
  await cp(join(caisson.data, "keys/operator.key"), old);
  const list = (file: string) => runCli(["tenant", "list"], settings(file));
  expect(await list(old)).toMatchObject({ exit: 0 });
  const reset = await runCli(["operator", "reset-key", "--json"], { CAISSON_DATA: caisson.data });
  expect(reset).toMatchObject({ exit: 0 });
  const { keyFile } = reset.json as { keyFile: string };
  expect((await stat(keyFile)).mode & 0o777).toBe(0o600);
  const exit = async () => (await list(old)).exit;
  expect(await lastAnswer(exit, (answer) => answer === 4)).toBe(4);
  expect(await list(keyFile)).toMatchObject({ exit: 0 });
});
