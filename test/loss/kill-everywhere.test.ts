import { readdirSync, readFileSync } from "node:fs";
import { join } from "node:path";
import { afterAll, beforeAll, expect, test } from "vitest";
import { call, operations } from "../../src/core/http-api/index.ts";
import type { SignedArtifact } from "../../src/kit/index.ts";
import { pack } from "../e2e/caisson.ts";
import type { Caisson } from "../e2e/caisson.ts";
import { runCli } from "../e2e/run-cli.ts";
import { until } from "../e2e/until.ts";
import { Killer } from "./killer.ts";

const LONG_MS = 900_000;
let killer: Killer;
let caisson: Caisson;
beforeAll(async () => {
  killer = await Killer.start();
  caisson = killer.caisson;
  await caisson.serve({ name: "steady" });
});
afterAll(() => killer[Symbol.asyncDispose]());

/** What an operation answered; null where the one asked died under it. */
async function tried<T>(work: Promise<T>): Promise<T | null> {
  return work.catch(() => null);
}

async function untilControlAnswers(): Promise<void> {
  await until("control", async () =>
    (await tried(call(caisson.operator, operations.tenantList))) === null ? null : true,
  );
}

/** Both logs hold against their own files, and every admitted version has its entry. */
async function logsHold(): Promise<void> {
  for (const name of ["artifacts", "audit"]) {
    const folder = join(caisson.data, "logs", name);
    const { exit, out, err } = await runCli(["log", "verify", folder, "--vkey", `${folder}.vkey`]);
    expect(`${exit} ${out}${err}`).toMatch(/^0 /);
  }
}

/** Operations that a victim died at, over all tests of this file. */
const reached = new Set<string>();

function note(points: readonly string[]): void {
  expect(points.length).toBeGreaterThan(0);
  for (const point of points) reached.add(point.split(" ").at(-1) ?? "");
}

test(
  "publish: whatever durable operation control dies at, what it answered stands, and the rest can be asked again",
  async () => {
    let artifact: SignedArtifact;
    let said: string | null;
    note(
      await killer.everyPoint(
        "control",
        async (round) => {
          artifact = caisson.sign(await pack({ name: `published-${round}` }));
          said = await tried(caisson.publish(artifact));
        },
        async (round) => {
          await untilControlAnswers();
          if (said !== "admitted") expect(await caisson.publish(artifact)).toBe("admitted");
          const { items } = await call(caisson.operator, operations.artifactList, {
            query: { extension: `acme.published-${round}` },
          });
          const stands = items.map(({ contentHash, state }) => `${contentHash} ${state}`);
          expect(stands).toEqual([`${artifact.digest} admitted`]);
        },
      ),
    );
    await logsHold();
  },
  LONG_MS,
);

test.each(["control", "runner"] as const)(
  "install: whatever durable operation %s dies at, the install is ready in the end, and serves",
  async (victim) => {
    let name: string;
    let said: string | null;
    note(
      await killer.everyPoint(
        victim,
        async (round) => {
          name = `installed-${victim}-${round}`;
          said = await tried(caisson.install(caisson.north, `acme.${name}`));
        },
        async (round) => {
          await untilControlAnswers();
          if (said !== "ready")
            expect(await caisson.install(caisson.north, `acme.${name}`)).toBe("ready");
          await caisson.untilRouted(caisson.north, `acme.${name}`);
          await untilServed(name);
          await publishNext(victim, round + 1);
        },
        () => publishNext(victim, 1),
      ),
    );
    await logsHold();
  },
  LONG_MS,
);

async function publishNext(victim: string, round: number): Promise<void> {
  const artifact = caisson.sign(await pack({ name: `installed-${victim}-${round}` }));
  expect(await caisson.publish(artifact)).toBe("admitted");
}

async function untilServed(name: string): Promise<void> {
  await until(`${name} to answer`, async () => {
    const { status } = await caisson.call(caisson.north.key, `/api/ext/acme.${name}`);
    return status === 200 ? true : null;
  });
}

test.each(["gateway", "control"] as const)(
  "ingest: whatever durable operation %s dies at, each answered call has one record in the end",
  async (victim) => {
    const answered: string[] = [];
    const recorded = async () =>
      (
        await caisson.sql(
          "select request_id from extension_execution_log where request_id = any($1)",
          [answered],
        )
      ).length;
    let control = 0;
    note(
      await killer.everyPoint(
        victim,
        async () => {
          control = caisson.pidOf("control");
          for (let i = 0; i < 3; i++) {
            const id = await tried(answeredCall());
            if (id !== null) answered.push(id);
          }
          // What the gateway sends on, it sends in its own time: control dies at that, or lives through it.
          await until("the records, or the end of control", async () =>
            caisson.pidOf("control") !== control || (await recorded()) === answered.length
              ? true
              : null,
          ).catch(() => {});
        },
        async () => untilServed("steady"),
      ),
    );
    await untilControlAnswers();
    await until("every record", async () => {
      const rows = await caisson.sql(
        "select request_id, count(*)::int as n from extension_execution_log where request_id = any($1) group by 1",
        [answered],
      );
      expect(rows.filter(({ n }) => n !== 1)).toEqual([]);
      return rows.length === answered.length ? true : null;
    });
    expect(answered.length).toBeGreaterThan(3);
  },
  LONG_MS,
);

/** The request id of a call that the extension answered. */
async function answeredCall(): Promise<string> {
  const response = await fetch(`http://127.0.0.1:${caisson.gatewayPort}/api/ext/acme.steady`, {
    headers: { authorization: `Bearer ${caisson.north.key}` },
    signal: AbortSignal.timeout(10_000),
  });
  await response.text();
  if (response.status !== 200) throw new Error(String(response.status));
  return response.headers.get("x-request-id") ?? "";
}

test.each(["control", "gateway", "runner", "broker"] as const)(
  "fence: whatever durable operation %s dies at, a halt that was answered is in force, and the rest can be asked again",
  async (victim) => {
    const halt = { scope: "extension", id: "acme.steady", reason: "loss" } as const;
    let said: unknown;
    note(
      await killer.everyPoint(
        victim,
        async () => {
          said = await tried(call(caisson.operator, operations.fenceSet, { body: halt }));
        },
        async () => {
          await untilControlAnswers();
          if (said === null) await call(caisson.operator, operations.fenceSet, { body: halt });
          await until("the halt to be in force", async () => {
            const { code } = await caisson.call(caisson.north.key, "/api/ext/acme.steady");
            expect(code).not.toBe("");
            return code === "call.halted" ? true : null;
          });
          await call(caisson.operator, operations.fenceLift, {
            body: { scope: "extension", id: "acme.steady" },
          });
          await untilServed("steady");
        },
      ),
    );
  },
  LONG_MS,
);

test.each(["gateway", "runner"] as const)(
  "snapshot: whatever durable operation %s dies at, it serves from the one it has and comes to the new one",
  async (victim) => {
    let made: { key: string } | null;
    note(
      await killer.everyPoint(
        victim,
        async (round) => {
          made = await call(caisson.operator, operations.keyCreate, {
            params: { tenant: caisson.north.id },
            body: { name: `key-${victim}-${round}`, actions: ["ext:call"] },
          });
        },
        async () => {
          await untilServed("steady");
          await until("the new key to be known", async () => {
            const { status } = await caisson.call(made?.key ?? "", "/api/ext/acme.steady");
            return status === 200 ? true : null;
          });
        },
      ),
    );
  },
  LONG_MS,
);

/** Sites of durable operations that the operations above do not come to, each with its reason. */
const ELSEWHERE: Readonly<Record<string, string>> = {
  "src/control/log/log-lock.ts":
    "takes over the lock of a control that is gone: src/control/log/open-log.test.ts",
};

test("every place in the source that makes something durable was died at", () => {
  const places = ["src/control", "src/edge", "src/core/platform"].flatMap(durablePlaces);
  expect(places.length).toBeGreaterThan(8);
  const missed = places.filter(
    (place) => !reached.has(place) && ELSEWHERE[place.replace(/:\d+$/, "")] === undefined,
  );
  expect(missed).toEqual([]);
});

/** `file:line` of each sync, rename and write of a file. */
function durablePlaces(folder: string): string[] {
  const files = readdirSync(folder, { recursive: true, encoding: "utf8" });
  return files
    .filter((file) => file.endsWith(".ts") && !file.endsWith(".test.ts"))
    .flatMap((file) =>
      readFileSync(join(folder, file), "utf8")
        .split("\n")
        .flatMap((line, i) =>
          /await (?:\w+\.)+(?:data)?sync\(|=> rename\(|await rename\(|\bwriteSync\(fd/.test(line) ||
          /\(writeSync\(/.test(line)
            ? [`${folder}/${file}:${i + 1}`]
            : [],
        ),
    );
}
