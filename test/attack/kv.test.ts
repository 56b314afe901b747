import { afterAll, beforeAll, expect, test } from "vitest";
import { limits } from "../../src/core/contract/index.ts";
import type { Caisson, Tenant } from "../e2e/caisson.ts";
import { installSource, publishSource, serveSource } from "../e2e/serve-source.ts";
import { startCaisson } from "../e2e/start-caisson.ts";
import { until } from "../e2e/until.ts";
import { resume, stop } from "./fence-cases.ts";
import { heldKey, loadGranted } from "./held-control.ts";
import { askControl, edgeToken, grantOnRecord, KV_SOURCE, sealedBy, steps } from "./kv-cases.ts";
import type { Step } from "./kv-cases.ts";

const endpoints = [{ method: "POST", path: "/" }];
const parts = (name: string) => ({
  name,
  source: KV_SOURCE,
  capabilities: { "storage.kv": {} },
  deadlineMs: 30_000,
  endpoints,
});

let caisson: Caisson;
let south: Tenant;
beforeAll(async () => {
  // A busy machine takes its time over hundreds of calls.
  caisson = await startCaisson({ EXT_GATEWAY_TIMEOUT_MS: "30000" });
  south = caisson.south;
  await serveSource(caisson, parts("keeper"));
  await installSource(caisson, south, "keeper");
});
afterAll(() => caisson[Symbol.asyncDispose]());

const north = (...asked: readonly Step[]) => steps(caisson, caisson.north, "keeper", ...asked);

test("what is put is there for the next call, listed over pages, and gone when it is deleted", async () => {
  const [first] = await north({ op: "put", key: "seen/a", value: "1" });
  expect(first).toMatch(/^revision \d+$/);
  await north({ op: "put", key: "seen/b", value: "2" }, { op: "put", key: "seen/c", value: "ü" });
  expect(await north({ op: "get", key: "seen/c" })).toEqual(["value ü"]);
  const [page = ""] = await north({ op: "list", prefix: "seen/", max: 2 });
  const [, keys, cursor = ""] = /^(.*) cursor (.*)$/.exec(page) ?? [];
  expect(keys).toBe("seen/a seen/b");
  expect(await north({ op: "list", prefix: "seen/", cursor, max: 2 })).toEqual(["seen/c"]);
  const gone = { op: "delete", key: "seen/a" } as const;
  expect(await north(gone, { op: "get", key: "seen/a" }, gone)).toEqual([
    "deleted",
    "absent",
    "missing",
  ]);
});

test("a call under a grant without storage.kv is denied, and on record as that [KV-GRANT]", async () => {
  await publishSource(caisson, parts("ungranted"));
  await installSource(caisson, caisson.north, "ungranted", { capabilities: [] });
  expect(await steps(caisson, caisson.north, "ungranted", { op: "get", key: "a" })).toEqual([
    "denied the grant has no storage.kv",
  ]);
  expect(await deniedOf("acme.ungranted")).toBe("storage.kv");
});

test("a call under a grant with storage.kv is answered [KV-GRANT twin]", async () => {
  await serveSource(caisson, parts("granted"));
  expect(await steps(caisson, caisson.north, "granted", { op: "get", key: "a" })).toEqual([
    "absent",
  ]);
  expect(await deniedOf("acme.granted")).toBe("");
});

/** What the record of its one call says. */
function deniedOf(extension: string): Promise<unknown> {
  return until("the record", async () => {
    const [row] = await caisson.sql(
      "select denied from extension_execution_log where extension_id = $1 and outcome = 'done'",
      [extension],
    );
    return row?.["denied"] ?? null;
  });
}

test("two tenants with the same extension and the same key never see each other's value [KV-TENANT]", async () => {
  await north({ op: "put", key: "shared", value: "of north" });
  expect(await steps(caisson, south, "keeper", { op: "get", key: "shared" })).toEqual(["absent"]);
  await steps(caisson, south, "keeper", { op: "put", key: "shared", value: "of south" });
  expect(await north({ op: "get", key: "shared" })).toEqual(["value of north"]);
});

test("a tenant sees the value that it put under that key [KV-TENANT twin]", async () => {
  await north({ op: "put", key: "own", value: "of north" });
  expect(await north({ op: "get", key: "own" })).toEqual(["value of north"]);
});

test("control opens no keys to a grant of another install that it has not on record, whoever signed it [KV-RECORD]", async () => {
  await north({ op: "put", key: "probed", value: "of north" });
  const own = await grantOnRecord(caisson, south, "keeper");
  const other = await grantOnRecord(caisson, caisson.north, "keeper");
  const [broker, state] = [await edgeToken(caisson, "broker"), await heldKey(caisson, "state")];
  const ask = (grant: Uint8Array) => askControl(caisson, grant, "probed", broker);
  const { tenant, install } = other.grant;
  for (const forged of [
    { ...own.grant, install },
    { ...own.grant, tenant },
    { ...own.grant, tenant, install },
  ])
    expect(await ask(sealedBy(forged, state))).toBe("control knows no such grant");
});

test("control opens an install's keys to the grant that it has on record [KV-RECORD twin]", async () => {
  await north({ op: "put", key: "probed", value: "of north" });
  const { document } = await grantOnRecord(caisson, caisson.north, "keeper");
  expect(await askControl(caisson, document, "probed", await edgeToken(caisson, "broker"))).toBe(
    "value of north",
  );
});

test("control takes no guest's call from another edge than the broker, nor from a tenant [KV-BROKER]", async () => {
  const { document } = await grantOnRecord(caisson, caisson.north, "keeper");
  for (const token of [await edgeToken(caisson, "runner"), await edgeToken(caisson, "gateway")])
    expect(await askControl(caisson, document, "none", token)).toBe("403");
  expect(await askControl(caisson, document, "none", caisson.north.key)).toBe("403");
  expect(await askControl(caisson, document, "none", "cse_unknown")).toBe("401");
});

test("control takes a guest's call from the broker [KV-BROKER twin]", async () => {
  const { document } = await grantOnRecord(caisson, caisson.north, "keeper");
  const token = await edgeToken(caisson, "broker");
  expect(await askControl(caisson, document, "none", token)).toBe("absent");
});

test("a value, a key and a byte too many are refused, each with its own code [KV-BUDGET]", async () => {
  const size = limits.kvValueBytes.value + 1;
  expect(await north({ op: "put", key: "big", size })).toEqual([
    "too-large value over 65536 bytes",
  ]);
  const key = "k".repeat(limits.kvKeyBytes.value + 1);
  expect(await north({ op: "put", key, value: "" })).toEqual(["too-large key over 512 bytes"]);
  await withHeld({ keys: limits.kvKeys.value, bytes: 0 }, async () => {
    expect(await north({ op: "put", key: "one more", value: "" })).toEqual(["quota-keys"]);
  });
  await withHeld({ keys: 100, bytes: limits.kvBytes.value - 7 }, async () => {
    expect(await north({ op: "put", key: "one more", value: "" })).toEqual(["quota-bytes"]);
  });
});

test("a value, a key and a byte within the bounds are taken [KV-BUDGET twin]", async () => {
  const [key, size] = ["k".repeat(limits.kvKeyBytes.value), limits.kvValueBytes.value];
  const taken = [expect.stringMatching(/^revision/)];
  expect(await north({ op: "put", key, size })).toEqual(taken);
  await withHeld({ keys: limits.kvKeys.value - 1, bytes: limits.kvBytes.value - 8 }, async () => {
    expect(await north({ op: "put", key: "one more", value: "" })).toEqual(taken);
    expect(await north({ op: "delete", key: "one more" })).toEqual(["deleted"]);
  });
});

/** As if the install held so much already. */
async function withHeld(
  held: { readonly keys: number; readonly bytes: number },
  work: () => Promise<void>,
): Promise<void> {
  await north({ op: "put", key: "held", value: "" }); // there is a row then
  const [before] = await caisson.sql("select keys, bytes from kv_space where tenant_id = $1", [
    caisson.north.id,
  ]);
  const set = (keys: unknown, bytes: unknown) =>
    caisson.sql("update kv_space set keys = $2, bytes = $3 where tenant_id = $1", [
      caisson.north.id,
      keys,
      bytes,
    ]);
  await set(held.keys, held.bytes);
  try {
    await work();
  } finally {
    await set(before?.["keys"], before?.["bytes"]);
  }
}

/** What came of the last of so many calls; denied ones, which are answered nearest. */
async function lastOf(times: number): Promise<readonly string[]> {
  const name = `calls-${times}`;
  await publishSource(caisson, parts(name));
  await installSource(caisson, caisson.north, name, { capabilities: [] });
  return steps(caisson, caisson.north, name, { op: "get", key: "none", times });
}

test("a call makes no more calls of storage.kv than its budget of capability calls [KV-CALLS]", async () => {
  expect(await lastOf(257)).toEqual(["budget 256 capability calls per call"]);
});

test("a call makes as many calls of storage.kv as its budget [KV-CALLS twin]", async () => {
  expect(await lastOf(256)).toEqual(["denied the grant has no storage.kv"]);
});

/** Two writers who read the same revision; the second one's put. */
async function secondPut(only: "read" | "current"): Promise<string | undefined> {
  const revision = async (step: Step) => (await north(step))[0]?.split(" ")[1] ?? "";
  const read = await revision({ op: "put", key: "counter", value: "0" });
  const current = await revision({ op: "put", key: "counter", value: "1", only: read });
  const said = await north({
    op: "put",
    key: "counter",
    value: "2",
    only: only === "read" ? read : current,
  });
  return said[0]?.replace(current, "current");
}

test("a put over what somebody wrote meanwhile is refused with the revision there is [KV-CAS]", async () => {
  expect(await secondPut("read")).toBe("conflict current");
  expect(await north({ op: "get", key: "counter" })).toEqual(["value 1"]);
  expect(await north({ op: "put", key: "counter", value: "2", only: "absent" })).toEqual([
    expect.stringMatching(/^conflict/),
  ]);
});

test("a put over what it has read is made [KV-CAS twin]", async () => {
  expect(await secondPut("current")).toMatch(/^revision/);
  expect(await north({ op: "get", key: "counter" })).toEqual(["value 2"]);
});

/** What control says to a broker that knows of no fence, while something is halted. */
async function whileHalted(extension: string): Promise<string> {
  const { document } = await grantOnRecord(caisson, caisson.north, "keeper");
  await stop(caisson.operator, "extension", extension);
  try {
    return await askControl(caisson, document, "none", await edgeToken(caisson, "broker"));
  } finally {
    await resume(caisson.operator, "extension", extension);
    await caisson.untilRouted(caisson.north, "acme.keeper");
  }
}

test("control opens no keys of what is halted, whatever an edge says [KV-FENCE]", async () => {
  expect(await whileHalted("acme.keeper")).toBe("it was stopped");
});

test("control opens keys of what is not halted [KV-FENCE twin]", async () => {
  expect(await whileHalted("acme.another")).toBe("absent");
});

/** What a broker is told under the grant of an install, after that install or another one was removed. */
async function afterRemoval(name: string, removed: string): Promise<string> {
  for (const one of new Set([name, removed])) await serveSource(caisson, parts(one));
  await steps(caisson, caisson.north, name, { op: "put", key: "a", value: "kept" });
  const { document } = await grantOnRecord(caisson, caisson.north, name);
  await caisson.uninstall(caisson.north, `acme.${removed}`);
  return askControl(caisson, document, "a", await edgeToken(caisson, "broker"));
}

test("an install that was removed opens no keys, and nothing of them is left [KV-REMOVED]", async () => {
  expect(await afterRemoval("leaver", "leaver")).toBe("the install is removed");
  const rows = await caisson.sql(
    `select e.key from kv_entry e join install i on i.id = e.install_id
     where i.extension_id = 'acme.leaver'`,
  );
  expect(rows).toEqual([]);
  await installSource(caisson, caisson.north, "leaver");
  expect(await steps(caisson, caisson.north, "leaver", { op: "get", key: "a" })).toEqual([
    "absent",
  ]);
});

test("an install keeps its keys when another one is removed [KV-REMOVED twin]", async () => {
  expect(await afterRemoval("stayer", "other-leaver")).toBe("value kept");
});

/** An extension that asks for no capability, granted storage.kv by its tenant, or by whoever holds the state key. */
async function granted(by: "tenant" | "state key", asks: boolean): Promise<string> {
  const name = `wide-${by.replace(" ", "-")}-${asks}`;
  await publishSource(caisson, {
    ...parts(name),
    source: KV_SOURCE.replace(/import \* as kv.*/, asks ? "$&" : "const kv = null;"),
    capabilities: asks ? { "storage.kv": {} } : {},
  });
  if (by === "tenant")
    return caisson.install(caisson.north, `acme.${name}`, { capabilities: ["storage.kv"] });
  await installSource(caisson, caisson.north, name, { capabilities: [] });
  return loadGranted(caisson, `acme.${name}`, (grant) => ({
    ...grant,
    capabilities: ["storage.kv"],
  }));
}

test("install and load refuse storage.kv where the signed config does not ask for it [KV-WIDER]", async () => {
  expect(await granted("tenant", false)).toBe("refused: install.refused grant.wider");
  expect(await granted("state key", false)).toMatch(/^failed .*grant\.wider/);
});

test("install and load accept storage.kv where the signed config asks for it [KV-WIDER twin]", async () => {
  expect(await granted("tenant", true)).toBe("ready");
  expect(await granted("state key", true)).toBe("ready ");
});

test("a call that waits for its keys ends with its deadline", async () => {
  await serveSource(caisson, { ...parts("waiter"), deadlineMs: 1_000 });
  await steps(caisson, caisson.north, "waiter", { op: "put", key: "a", value: "1" });
  await caisson.whileLocked("select * from kv_space for update", async () => {
    const [said] = await steps(caisson, caisson.north, "waiter", {
      op: "put",
      key: "a",
      value: "2",
    });
    expect(["unavailable", "deadline.exceeded"]).toContain(said);
  });
  expect(await steps(caisson, caisson.north, "waiter", { op: "get", key: "a" })).toEqual([
    "value 1",
  ]);
});

test("while control is away a guest is told so, and goes on", async () => {
  process.kill(caisson.pid, "SIGSTOP"); // nobody starts another control
  try {
    process.kill(caisson.pidOf("control"), "SIGKILL");
    expect(await north({ op: "get", key: "own" })).toEqual(["unavailable"]);
  } finally {
    process.kill(caisson.pid, "SIGCONT");
  }
  await until("control to be back", async () =>
    (await north({ op: "get", key: "none" }))[0] === "absent" ? true : null,
  );
});

test("a put that was answered is there after control and the database were killed", async () => {
  await north({ op: "put", key: "durable", value: "kept" });
  const [row] = await caisson.sql(
    "select pid from pg_stat_activity where backend_type = 'checkpointer'",
  );
  process.kill(caisson.pidOf("control"), "SIGKILL");
  process.kill(Number(row?.["pid"]), "SIGKILL"); // PostgreSQL goes through its own recovery then
  await until("the store to answer", async () =>
    (await north({ op: "get", key: "durable" }))[0] === "value kept" ? true : null,
  );
});
