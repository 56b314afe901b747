import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { limits } from "#contract";
import type { KvCondition, KvReply, KvRequest } from "#contract";
import { newId } from "#platform";
import type { Clock, Id } from "#platform";
import { removeKv, sweepKv } from "../../src/control/kv/index.ts";
import { performKv } from "../../src/control/kv/kv-store.ts";
import { LocalKv } from "../../src/kit/local-kv.ts";
import { startTestDatabase } from "./database.ts";
import type { TestDatabase } from "./database.ts";

/** A clock that a test moves. */
class HandClock implements Clock {
  #ms = Date.UTC(2030, 0, 1);
  now(): Date {
    return new Date(this.#ms);
  }
  pass(seconds: number): void {
    this.#ms += seconds * 1_000;
  }
}

interface Rig {
  readonly clock: HandClock;
  readonly perform: (request: KvRequest) => Promise<KvReply>;
  /** Of the database alone. */
  readonly tenant?: Id<"tenant">;
  readonly install?: string;
}

let database: TestDatabase;
beforeAll(async () => {
  database = await startTestDatabase();
});
afterAll(async () => {
  await database[Symbol.asyncDispose]();
});

async function stored(): Promise<Rig & { tenant: Id<"tenant">; install: string }> {
  const [tenant, install, clock] = [newId("tenant"), newId("install"), new HandClock()];
  const now = clock.now();
  await database.store.asSystem(async (tx) => {
    await tx
      .insertInto("tenant")
      .values({ id: tenant, name: `t${tenant.slice(-12)}`, created_at: now })
      .execute();
    await tx
      .insertInto("install")
      .values({
        tenant_id: tenant,
        id: install,
        extension_id: "acme.kv",
        state: "ready",
        grant_id: null,
        created_at: now,
        updated_at: now,
      })
      .execute();
  });
  const perform = (request: KvRequest) =>
    database.store.asTenant(tenant, (tx) =>
      performKv(tx, { tenant, install }, request, clock.now()),
    );
  return { clock, perform, tenant, install };
}

async function local(): Promise<Rig> {
  const clock = new HandClock();
  const kv = new LocalKv(clock);
  return { clock, perform: async (request) => kv.perform(request) };
}

const put = (
  key: string,
  value = "v",
  condition: KvCondition = { kind: "always" },
  ttlSeconds: number | null = null,
): KvRequest => ({ op: "put", key, condition, ttlSeconds, value: Buffer.from(value) });
const get = (key: string): KvRequest => ({ op: "get", key });
const drop = (key: string, condition: KvCondition = { kind: "always" }): KvRequest => ({
  op: "delete",
  key,
  condition,
});
const list = (prefix: string, cursor: string | null = null, max = 1_000): KvRequest => ({
  op: "list",
  prefix,
  cursor,
  max,
});

function written(reply: KvReply): number {
  if (reply.kind !== "written") throw new Error(`not written: ${JSON.stringify(reply)}`);
  return reply.revision;
}

async function keysOf(rig: Rig, prefix: string, max: number): Promise<string[]> {
  const all: string[] = [];
  for (let cursor: string | null = null; ;) {
    const page = await rig.perform(list(prefix, cursor, max));
    if (page.kind !== "page") throw new Error(`no page: ${JSON.stringify(page)}`);
    expect(page.keys.length).toBeLessThanOrEqual(max);
    all.push(...page.keys);
    if (page.cursor === null) return all;
    cursor = page.cursor;
  }
}

describe.each([
  ["control's", stored],
  ["the author's tools'", local],
] as const)("%s keys and values", (_whose, make) => {
  test("a put is read again, byte for byte, with a new revision each time", async () => {
    const { perform } = await make();
    expect(await perform(get("a"))).toEqual({ kind: "absent" });
    const first = written(await perform(put("a", "\u0000ü")));
    expect(await perform(get("a"))).toMatchObject({ kind: "entry", revision: first });
    const second = written(await perform(put("a", "")));
    expect(second).toBeGreaterThan(first);
    const entry = await perform(get("a"));
    expect(entry).toMatchObject({ kind: "entry", revision: second, expiresMs: null });
    expect(entry.kind === "entry" && entry.value.length).toBe(0);
  });

  test("a conditional write is made where its condition holds, and told what stands where not", async () => {
    const { perform } = await make();
    const absent = { kind: "absent" } as const;
    const first = written(await perform(put("a", "1", absent)));
    expect(await perform(put("a", "2", absent))).toEqual({ kind: "conflict", current: first });
    const second = written(await perform(put("a", "2", { kind: "revision", revision: first })));
    const stale = { kind: "revision", revision: first } as const;
    expect(await perform(put("a", "3", stale))).toEqual({ kind: "conflict", current: second });
    expect(await perform(drop("a", stale))).toEqual({ kind: "conflict", current: second });
    expect(await perform(put("b", "3", stale))).toEqual({ kind: "conflict", current: null });
    expect(await perform(drop("a", { kind: "revision", revision: second }))).toEqual({
      kind: "deleted",
    });
    expect(await perform(drop("a"))).toMatchObject({ failure: "missing" });
    // A revision is never used twice, so that nobody mistakes a new key for the one before.
    expect(written(await perform(put("a", "4")))).toBeGreaterThan(second);
  });

  test("list gives every key once, in the order of their bytes, over pages of any size", async () => {
    const rig = await make();
    const names = Array.from({ length: 25 }, (_, i) => `k/${i}`);
    for (const key of [...names, "k", "l", "ü", "k0"]) await rig.perform(put(key));
    for (const max of [1, 2, 7, 25, 1_000])
      expect(await keysOf(rig, "k/", max)).toEqual(names.toSorted());
    expect(await keysOf(rig, "", 3)).toEqual(["k", ...names.toSorted(), "k0", "l", "ü"]);
    expect(await keysOf(rig, "none", 3)).toEqual([]);
  });

  test("what has lived its time is absent at once, in every way", async () => {
    const rig = await make();
    const revision = written(await rig.perform(put("a", "v", { kind: "always" }, 60)));
    rig.clock.pass(59);
    expect(await rig.perform(get("a"))).toMatchObject({
      expiresMs: rig.clock.now().getTime() + 1_000,
    });
    rig.clock.pass(1);
    expect(await rig.perform(get("a"))).toEqual({ kind: "absent" });
    expect(await keysOf(rig, "", 10)).toEqual([]);
    expect(await rig.perform(drop("a"))).toMatchObject({ failure: "missing" });
    expect(await rig.perform(put("a", "v", { kind: "revision", revision }))).toEqual({
      kind: "conflict",
      current: null,
    });
    written(await rig.perform(put("a", "v", { kind: "absent" })));
    expect(await rig.perform(get("a"))).toMatchObject({ kind: "entry", expiresMs: null });
  });

  test("each bound is its own answer", async () => {
    const { perform } = await make();
    const long = "k".repeat(limits.kvKeyBytes.value);
    written(await perform(put(long, "v".repeat(limits.kvValueBytes.value))));
    const failure = async (request: KvRequest) => {
      const reply = await perform(request);
      return reply.kind === "failure" ? reply.failure : reply.kind;
    };
    expect(await failure(put(`${long}k`))).toBe("too-large");
    expect(await failure(put("ü".repeat(257)))).toBe("too-large"); // bytes count, not characters
    expect(await failure(put("a", "v".repeat(limits.kvValueBytes.value + 1)))).toBe("too-large");
    expect(await failure(get(""))).toBe("invalid");
    for (const ttl of [0, limits.kvTtlSeconds.value + 1])
      expect(await failure(put("a", "v", { kind: "always" }, ttl))).toBe("invalid");
    expect(await failure(list("", null, 0))).toBe("invalid");
    expect(await failure(list("", null, 1_001))).toBe("invalid");
    expect(await failure(list("", "not of ours!"))).toBe("invalid");
    expect(await failure(drop("a", { kind: "absent" }))).toBe("invalid");
  });

  test("an install holds so many keys and so many bytes, and what expired makes room", async () => {
    const rig = await make();
    if (rig.tenant !== undefined) await fill(rig.tenant, rig.install ?? "", rig.clock.now());
    else
      for (let i = 0; i < limits.kvKeys.value - 1; i++)
        await rig.perform(put(`full/${i}`, "", { kind: "always" }, 600));
    written(await rig.perform(put("last")));
    expect(await rig.perform(put("more"))).toMatchObject({ failure: "quota-keys" });
    written(await rig.perform(put("last", "again")));
    rig.clock.pass(600);
    written(await rig.perform(put("more")));
    const big = "v".repeat(limits.kvValueBytes.value);
    let made = 0;
    while (made < 1_030 && (await rig.perform(put(`big/${made}`, big))).kind === "written") made++;
    // 64 MiB less the keys themselves.
    expect(made).toBe(1_023);
    expect(await rig.perform(put("big/x", big))).toMatchObject({ failure: "quota-bytes" });
    written(await rig.perform(put("big/0", "")));
    written(await rig.perform(put("big/x", big.slice(100))));
  });
});

/** All keys but one that an install may have, in one statement; they live for ten minutes. */
async function fill(tenant: string, install: string, now: Date): Promise<void> {
  const count = limits.kvKeys.value - 1;
  await database.store.asSystem(async (tx) => {
    const keys = Array.from({ length: count }, (_, i) => `full/${i}`);
    const bytes = keys.reduce((sum, key) => sum + key.length, 0);
    await tx
      .insertInto("kv_space")
      .values({ tenant_id: tenant, install_id: install, keys: count, bytes, revision: 1 })
      .execute();
    for (let at = 0; at < count; at += 1_000)
      await tx
        .insertInto("kv_entry")
        .values(
          keys.slice(at, at + 1_000).map((key) => ({
            tenant_id: tenant,
            install_id: install,
            key: Buffer.from(key),
            value: Buffer.alloc(0),
            revision: 1,
            expires_at: new Date(now.getTime() + 600_000),
          })),
        )
        .execute();
  });
}

async function heldBy(tenant: Id<"tenant">): Promise<object[]> {
  return database.store.asTenant(tenant, (tx) =>
    tx.selectFrom("kv_space").select(["keys", "bytes"]).execute(),
  );
}

test("puts at the same time do not pass the bound together", async () => {
  const { perform, tenant, install, clock } = await stored();
  await fill(tenant, install, clock.now());
  const replies = await Promise.all(
    Array.from({ length: 6 }, (_, i) => perform(put(`at-once/${i}`))),
  );
  expect(replies.filter(({ kind }) => kind === "written")).toHaveLength(1);
  expect(replies.filter(({ kind }) => kind === "failure")).toHaveLength(5);
  expect(await heldBy(tenant)).toMatchObject([{ keys: limits.kvKeys.value }]);
});

test("of conditional puts at the same time one is made", async () => {
  const { perform } = await stored();
  const revision = written(await perform(put("a")));
  const condition = { kind: "revision", revision } as const;
  const replies = await Promise.all(
    Array.from({ length: 6 }, (_, i) => perform(put("a", `${i}`, condition))),
  );
  expect(replies.filter(({ kind }) => kind === "written")).toHaveLength(1);
  expect(replies.filter(({ kind }) => kind === "conflict")).toHaveLength(5);
});

test("sweepKv() takes away what expired and counts it off; removeKv() takes all", async () => {
  const { perform, tenant, install, clock } = await stored();
  await perform(put("gone", "value", { kind: "always" }, 10));
  await perform(put("kept", "value"));
  expect(await heldBy(tenant)).toEqual([{ keys: 2, bytes: "18" }]);
  clock.pass(10);
  await sweepKv(database.store, clock.now());
  expect(await heldBy(tenant)).toEqual([{ keys: 1, bytes: "9" }]);
  expect(await perform(get("kept"))).toMatchObject({ kind: "entry" });
  await database.store.asTenant(tenant, (tx) => removeKv(tx, { tenant, install }));
  expect(await heldBy(tenant)).toEqual([]);
  expect(await perform(get("kept"))).toEqual({ kind: "absent" });
});

test("row-level security keeps a tenant's keys from another tenant's transaction, whatever it asks for", async () => {
  const [one, other] = [await stored(), await stored()];
  await one.perform(put("a", "secret"));
  const space = { tenant: one.tenant, install: one.install };
  const crossing = (request: KvRequest) =>
    database.store.asTenant(other.tenant, (tx) => performKv(tx, space, request, one.clock.now()));
  expect(await crossing(get("a"))).toEqual({ kind: "absent" });
  await expect(crossing(put("a", "mine"))).rejects.toThrow(/row-level security/);
});
