import { join } from "node:path";
import { setTimeout as pause } from "node:timers/promises";
import { call, operations } from "../../src/core/http-api/index.ts";
import { pack } from "../e2e/caisson.ts";
import type { Caisson } from "../e2e/caisson.ts";
import { childrenOf } from "../e2e/children.ts";
import { runCli } from "../e2e/run-cli.ts";
import { startCaisson } from "../e2e/start-caisson.ts";
import { until } from "../e2e/until.ts";
import { seededRandom } from "../fakes/releases.ts";

/** What was answered while processes were killed, and what of it is not there in the end. */
export interface SoakReport {
  readonly calls: number;
  readonly published: number;
  readonly keys: number;
  readonly halts: number;
  readonly kills: Readonly<Record<string, number>>;
  /** Empty: nothing that was answered was lost. */
  readonly lost: readonly string[];
}

const VICTIMS = ["control", "gateway", "runner", "broker", "sandbox", "postgres"] as const;
const CALLERS = 4;
const SETTLE_MS = 180_000;
const OUTPUT_CHARS = 20_000;

/** Mixed load on the whole product under random kill -9 of its processes. seed: the same order of victims again. */
export async function soak({
  seconds,
  seed,
  tell = () => {},
}: {
  readonly seconds: number;
  readonly seed: number;
  readonly tell?: (line: string) => void;
}): Promise<SoakReport> {
  await using caisson = await startCaisson({ CAISSON_LOG_CALLS: "none" });
  await caisson.serve({ name: "steady" });
  await caisson.serve({ name: "halted" });
  const run = new SoakRun(caisson, seed, Date.now() + seconds * 1_000);
  await Promise.all([
    ...Array.from({ length: CALLERS }, () => run.callOn()),
    run.publishOn(),
    run.makeKeys(),
    run.haltOn(),
    run.killOn(tell),
  ]);
  tell("settling");
  try {
    return await run.settle();
  } catch (error) {
    // What its processes said last is the only witness.
    tell(caisson.output.slice(-OUTPUT_CHARS));
    throw error;
  }
}

class SoakRun {
  readonly #caisson: Caisson;
  readonly #random: () => number;
  readonly #end: number;
  readonly #calls: string[] = [];
  readonly #published: string[] = [];
  readonly #keys: string[] = [];
  readonly #kills = new Map<string, number>();
  readonly #lost: string[] = [];
  #halts = 0;

  constructor(caisson: Caisson, seed: number, end: number) {
    this.#caisson = caisson;
    this.#random = seededRandom(seed);
    this.#end = end;
  }

  async callOn(): Promise<void> {
    await this.#until(async () => {
      const id = await answeredCall(this.#caisson, "acme.steady");
      this.#calls.push(id);
    });
  }

  async publishOn(): Promise<void> {
    let number = 0;
    await this.#until(async () => {
      const name = `soaked-${number++}`;
      const artifact = this.#caisson.sign(await pack({ name }));
      if ((await this.#caisson.publish(artifact)) === "admitted") this.#published.push(name);
      await pause(500);
    });
  }

  async makeKeys(): Promise<void> {
    await this.#until(async () => {
      const { key } = await call(this.#caisson.operator, operations.keyCreate, {
        params: { tenant: this.#caisson.north.id },
        body: { name: "soaked", actions: ["self:read"] },
      });
      this.#keys.push(key);
      await pause(700);
    });
  }

  /** A halt that was answered lets no call through until it is lifted. */
  async haltOn(): Promise<void> {
    const { operator, north } = this.#caisson;
    const target = { scope: "extension", id: "acme.halted" } as const;
    await this.#until(async () => {
      await call(operator, operations.fenceSet, { body: { ...target, reason: "soak" } });
      const { code, body } = await this.#caisson.call(north.key, "/api/ext/acme.halted");
      if (code === "" && body === "hello\n")
        this.#lost.push("a halt that was answered let a call through");
      this.#halts += 1;
      await until("the halt to be lifted", async () => {
        const lifted = await call(operator, operations.fenceLift, { body: target }).then(
          () => true,
          (error: { code?: string }) => (error.code === "fence.unknown" ? true : null),
        );
        return lifted;
      });
      await pause(1_000);
    });
  }

  async killOn(tell: (line: string) => void): Promise<void> {
    while (Date.now() < this.#end) {
      await pause(1_000 + this.#random() * 4_000);
      const victim = VICTIMS[Math.floor(this.#random() * VICTIMS.length)] ?? "control";
      const pid = this.#pidOf(victim);
      if (pid === 0) continue;
      process.kill(pid, "SIGKILL");
      this.#kills.set(victim, (this.#kills.get(victim) ?? 0) + 1);
      tell(
        `killed ${victim}; ${this.#calls.length} calls, ${this.#published.length} published so far`,
      );
    }
  }

  /** Whatever throws meanwhile was not answered; it is asked again. */
  async #until(work: () => Promise<void>): Promise<void> {
    while (Date.now() < this.#end) await work().catch(() => pause(50));
  }

  #pidOf(victim: (typeof VICTIMS)[number]): number {
    const { supervisorPid } = this.#caisson;
    if (victim === "postgres") return childrenOf(supervisorPid, "postgres")[0] ?? 0;
    if (victim !== "sandbox")
      return childrenOf(supervisorPid, join("src/apps", `${victim}.ts`))[0] ?? 0;
    const runner = childrenOf(supervisorPid, join("src/apps", "runner.ts"))[0] ?? 0;
    return childrenOf(runner, "caisson-sandbox")[0] ?? 0;
  }

  async settle(): Promise<SoakReport> {
    const caisson = this.#caisson;
    await until(
      "an answer",
      async () => answeredCall(caisson, "acme.steady").catch(() => null),
      SETTLE_MS,
    );
    await until(
      "control",
      async () =>
        call(caisson.operator, operations.tenantList).then(
          () => true,
          () => null,
        ),
      SETTLE_MS,
    );
    await this.#records();
    const { items } = await call(caisson.operator, operations.artifactList);
    const there = new Set(items.map(({ extension }) => extension));
    for (const name of this.#published)
      if (!there.has(`acme.${name}`)) this.#lost.push(`the publication of ${name}`);
    for (const key of this.#keys)
      await call({ url: caisson.operator.url, key }, operations.whoami).catch(() =>
        this.#lost.push("an API key"),
      );
    for (const name of ["artifacts", "audit"]) {
      const folder = join(caisson.data, "logs", name);
      const { exit, err } = await runCli(["log", "verify", folder, "--vkey", `${folder}.vkey`]);
      if (exit !== 0) this.#lost.push(`the ${name} log: ${err}`);
    }
    return {
      calls: this.#calls.length,
      published: this.#published.length,
      keys: this.#keys.length,
      halts: this.#halts,
      kills: Object.fromEntries(this.#kills),
      lost: this.#lost,
    };
  }

  /** Each answered call has one record, not none and not two. */
  async #records(): Promise<void> {
    const counts = await until(
      "every record",
      async () => {
        const rows = await this.#caisson
          .sql(
            "select request_id, count(*)::int as n from extension_execution_log where request_id = any($1) group by 1",
            [this.#calls],
          )
          .catch(() => []);
        return rows.length === this.#calls.length ? rows : null;
      },
      SETTLE_MS,
    ).catch(() => null);
    if (counts === null) this.#lost.push("records of answered calls");
    else if (counts.some(({ n }) => n !== 1)) this.#lost.push("a call is recorded twice");
  }
}

async function answeredCall({ gatewayPort, north }: Caisson, extension: string): Promise<string> {
  const response = await fetch(`http://127.0.0.1:${gatewayPort}/api/ext/${extension}`, {
    headers: { authorization: `Bearer ${north.key}` },
    signal: AbortSignal.timeout(10_000),
  });
  await response.text();
  if (response.status !== 200) throw new Error(String(response.status));
  return response.headers.get("x-request-id") ?? "";
}
