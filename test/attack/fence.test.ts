import { readFile } from "node:fs/promises";
import { afterAll, beforeAll, expect, test } from "vitest";
import { call, operations } from "../../src/core/http-api/index.ts";
import type { FenceScope } from "../../src/core/contract/index.ts";
import { currentSandbox } from "../e2e/sandboxes.ts";
import type { Caisson } from "../e2e/caisson.ts";
import { startCaisson } from "../e2e/start-caisson.ts";
import { lastAnswer, until } from "../e2e/until.ts";
import { FenceCase, halts, resume, scopes, stop } from "./fence-cases.ts";

let caisson: Caisson;
beforeAll(async () => (caisson = await startCaisson()));
afterAll(() => caisson[Symbol.asyncDispose]());

/** Stops by a scope what the work is done on, or something of that kind beside it; what the work says. */
async function under(
  scope: FenceScope,
  hit: FenceCase,
  id: string,
  work: () => Promise<string>,
): Promise<string> {
  await stop(caisson.operator, scope, id);
  try {
    return `${scope} ${(await work()).replaceAll(hit.name, "*")}`;
  } finally {
    if (halts.includes(scope)) await resume(caisson.operator, scope, id);
  }
}

const word = (scope: FenceScope) => (halts.includes(scope) ? "fence.halted" : "fence.revoked");
const atPublish = scopes.filter((scope) => scope !== "tenant" && scope !== "install");

async function publishStopped(name: string, scope: FenceScope): Promise<string> {
  const hit = await FenceCase.make(caisson, `${name}-${scope}`);
  const artifact = await hit.pack();
  return under(scope, hit, await hit.id(scope, artifact), () => hit.publish(artifact));
}

test("publish refuses what any scope of the fence stops [FENCE-PUBLISH]", async () => {
  for (const scope of atPublish)
    expect(await publishStopped("pub", scope)).toBe(
      `${scope} refused: publish.refused ${word(scope)}`,
    );
});

test("publish accepts what the fence does not stop, or stops no more [FENCE-PUBLISH twin]", async () => {
  const beside = await FenceCase.make(caisson, "pub-beside");
  for (const scope of atPublish.filter((one) => one !== "all")) {
    const clear = await FenceCase.make(caisson, `pub-clear-${scope}`);
    const other = await beside.id(scope, await beside.pack());
    const said = await under(scope, clear, other, async () => clear.publish(await clear.pack()));
    expect(said).toBe(`${scope} admitted`);
  }
  const lifted = await FenceCase.make(caisson, "pub-lifted");
  await stop(caisson.operator, "all", "*");
  await resume(caisson.operator, "all", "*");
  expect(await lifted.publish(await lifted.pack())).toBe("admitted");
});

/** Version 1 serves; version 2 is admitted, then something is stopped, then version 2 is to be installed. */
async function installStopped(name: string, scope: FenceScope, other: FenceCase | null) {
  const hit = await FenceCase.make(caisson, `${name}-${scope}`);
  await hit.serve();
  const artifact = await hit.pack("2.0.0");
  expect(await hit.publish(artifact)).toBe("admitted");
  const id = await (other ?? hit).id(scope, artifact);
  return under(scope, hit, id, () => hit.install("2.0.0"));
}

test("install refuses what any scope of the fence stops [FENCE-INSTALL]", async () => {
  for (const scope of scopes)
    expect(await installStopped("ins", scope, null)).toMatch(
      new RegExp(`^${scope} refused: install.refused ${word(scope)}`),
    );
});

test("install accepts what the fence does not stop [FENCE-INSTALL twin]", async () => {
  const beside = await FenceCase.make(caisson, "ins-beside");
  await beside.serve();
  for (const scope of ["extension", "install", "publisher", "key"] as const)
    expect(await installStopped("ins-clear", scope, beside)).toBe(`${scope} ready`);
});

test("the gateway refuses calls of what any scope of the fence stops [FENCE-CALL]", async () => {
  for (const scope of scopes) {
    const hit = await FenceCase.make(caisson, `call-${scope}`);
    const artifact = await hit.serve();
    expect(await hit.answer()).toBe("200");
    const said = await under(scope, hit, await hit.id(scope, artifact), () => hit.answer());
    expect(said).toBe(`${scope} ${halts.includes(scope) ? "call.halted" : "artifact.refused"}`);
  }
});

test("the gateway takes calls of what the fence does not stop, and of what it stops no more [FENCE-CALL twin]", async () => {
  const [beside, clear] = [
    await FenceCase.make(caisson, "call-beside"),
    await FenceCase.make(caisson, "call-clear"),
  ];
  const other = await beside.serve();
  await clear.serve();
  for (const scope of ["extension", "install", "digest", "publisher", "key"] as const) {
    const id = await beside.id(scope, other);
    expect(await under(scope, clear, id, () => clear.answer())).toBe(`${scope} 200`);
  }
  for (const scope of halts) {
    const id = await clear.id(scope, null);
    await under(scope, clear, id, () => clear.answer());
    const again = await lastAnswer(
      () => clear.answer(),
      (answer) => answer === "200",
    );
    expect(`${scope} ${again}`).toBe(`${scope} 200`);
  }
});

async function restart(name: "control" | "runner" | "gateway"): Promise<void> {
  const before = caisson.pidOf(name);
  process.kill(before, "SIGKILL");
  await until(`another ${name}`, () => {
    try {
      return Promise.resolve(caisson.pidOf(name) === before ? null : true);
    } catch {
      return Promise.resolve(null); // between two lives
    }
  });
}

/** What the runner's load door says of the case when the runner starts again. */
async function reloaded(hit: FenceCase): Promise<string> {
  const from = caisson.output.length;
  await restart("runner");
  // It is ready when every grant of its snapshot was judged.
  await until("the runner", () =>
    Promise.resolve(caisson.output.slice(from).includes('"runner.ready"') ? true : null),
  );
  const refusal = new RegExp(`"load.refused".*${hit.extension}.*(fence\\.[a-z]+)`);
  return refusal.exec(caisson.output.slice(from))?.[1] ?? "loaded";
}

test("load refuses what any scope of the fence stops when the runner starts again [FENCE-LOAD]", async () => {
  for (const scope of scopes) {
    const hit = await FenceCase.make(caisson, `load-${scope}`);
    const artifact = await hit.serve();
    const said = await under(scope, hit, await hit.id(scope, artifact), () => reloaded(hit));
    expect(said).toBe(`${scope} ${word(scope)}`);
  }
});

test("load accepts what the fence does not stop when the runner starts again [FENCE-LOAD twin]", async () => {
  const [beside, clear] = [
    await FenceCase.make(caisson, "load-beside"),
    await FenceCase.make(caisson, "load-clear"),
  ];
  const other = await beside.serve();
  await clear.serve();
  for (const scope of ["extension", "digest"] as const) {
    const id = await beside.id(scope, other);
    expect(await under(scope, clear, id, () => reloaded(clear))).toBe(`${scope} loaded`);
    const answer = await lastAnswer(
      () => clear.answer(),
      (said) => said === "200",
    );
    expect(answer).toBe("200");
  }
});

/** A call that loops is inside while `target` is stopped: its answer, and how many calls the edges say they ended. */
async function whileRunning(name: string, target: "itself" | "another"): Promise<string> {
  const extension = `acme.${name}`;
  await caisson.serve({ name, guest: "loop", limits: { deadlineMs: 4_000 } });
  const answer = caisson.call(caisson.north.key, `/api/ext/${extension}/`);
  const { pid: inside } = await currentSandbox(caisson);
  await until("the loop to run", async () => ((await cpuTicks(inside)) > 5 ? true : null));
  const stopped = target === "itself" ? extension : "acme.nothing";
  const { killed } = await stop(caisson.operator, "extension", stopped);
  const { code } = await answer;
  await resume(caisson.operator, "extension", stopped);
  return `${code}, ${killed} ended`;
}

async function cpuTicks(pid: number): Promise<number> {
  const before = await ticks(pid);
  await new Promise((resolve) => setTimeout(resolve, 100));
  return (await ticks(pid)) - before;
}

async function ticks(pid: number): Promise<number> {
  const stat = await readFile(`/proc/${pid}/stat`, "utf8");
  return Number(stat.slice(stat.lastIndexOf(")")).split(" ")[12]);
}

test("a halt ends the calls inside and counts them [FENCE-RUNNING]", async () => {
  expect(await whileRunning("inside-halted", "itself")).toBe("call.halted, 1 ended");
});

test("a halt of something else leaves the calls inside alone [FENCE-RUNNING twin]", async () => {
  expect(await whileRunning("inside-left", "another")).toBe("deadline.exceeded, 0 ended");
});

/** Mappings of sealed code in the sandbox. */
async function codeMappings(): Promise<number> {
  const { pid: sandbox } = await currentSandbox(caisson);
  const maps = await readFile(`/proc/${sandbox}/maps`, "utf8");
  return new Set(
    maps
      .split("\n")
      .filter((line) => line.includes("memfd:"))
      .map((line) => line.trim().split(/\s+/)[4]),
  ).size;
}

async function mappingsAfter(name: string, target: "itself" | "another"): Promise<number> {
  const hit = await FenceCase.make(caisson, name);
  const before = await codeMappings();
  const { digest } = await hit.serve();
  expect(await codeMappings()).toBe(before + 1);
  const unseen = `sha256:${"7".repeat(64)}`;
  await stop(caisson.operator, "digest", target === "itself" ? digest : unseen);
  return (await codeMappings()) - before;
}

test("code of a revoked digest leaves the sandbox's memory [FENCE-MEMORY]", async () => {
  expect(await mappingsAfter("memory-revoked", "itself")).toBe(0);
});

test("code of another digest stays mapped [FENCE-MEMORY twin]", async () => {
  expect(await mappingsAfter("memory-left", "another")).toBe(1);
});

/** Every process is killed after the verbs: what a call and the publish door then say. */
async function afterKills(name: string, lift: boolean): Promise<string[]> {
  const hit = await FenceCase.make(caisson, name);
  await hit.serve();
  await stop(caisson.operator, "extension", hit.extension);
  if (lift) await resume(caisson.operator, "extension", hit.extension);
  for (const process of ["control", "runner", "gateway"] as const) await restart(process);
  await until("control", () =>
    call(caisson.operator, operations.whoami).then(
      () => true,
      () => null,
    ),
  );
  const wanted = lift ? "200" : "call.halted";
  const answer = await lastAnswer(
    () => hit.answer(),
    (said) => said === wanted,
    20_000,
  );
  return [answer, await hit.publish(await hit.pack("2.0.0"))];
}

test("what is halted stays halted through kill -9 of every process [FENCE-RESTART]", async () => {
  expect(await afterKills("restart-halted", false)).toEqual([
    "call.halted",
    "refused: publish.refused fence.halted",
  ]);
});

test("what is resumed stays resumed through kill -9 of every process [FENCE-RESTART twin]", async () => {
  expect(await afterKills("restart-resumed", true)).toEqual(["200", "admitted"]);
});
