import { cpus, loadavg } from "node:os";
import { parseArgs } from "node:util";
import { startFakeDns } from "../e2e/fake-dns.ts";
import { freePorts } from "../e2e/free-ports.ts";
import { until } from "../e2e/until.ts";
import { LOAD_CORE, startBench, supervisorOf } from "./contenders.ts";
import type { Bench, Contender } from "./contenders.ts";
import { rowOf } from "./figures.ts";
import type { Pair, Row } from "./figures.ts";
import { coldFirstAnswer, secondStart } from "./first-answers.ts";
import { generatorName, load } from "./load.ts";
import { naiveCall, startOutside, UPSTREAM } from "./outside.ts";
import { watchForeign } from "./processes.ts";
import { rowsUnderLoad } from "./under-load.ts";

const HELP = `npm run bench [-- --quick] [-- --json]
measures Caisson against plain Node and workerd, side by side: ratios, with their range over the rounds (docs/performance.md)
--quick  three short rounds, without the rows under load; --json  one row per figure
`;

const { values: options } = parseArgs({
  options: {
    quick: { type: "boolean", default: false },
    json: { type: "boolean", default: false },
    help: { type: "boolean", default: false },
  },
});
if (options.help) {
  process.stdout.write(HELP);
  process.exit();
}
const PLAN = options.quick
  ? { rounds: 3, seconds: 2, starts: 2, long: false }
  : { rounds: 5, seconds: 3, starts: 3, long: true };
const CONNECTIONS = 32;
const ISOLATE_SECONDS = 2;
/** Before the first round, for everybody: whose code is compiled while it runs is slower until then. */
const WARM_SECONDS = 4;
/** More of it makes a measurement noisy (runner-and-gateway.md, protocol): it is taken again, so often at most. */
const QUIET_CORES = 0.05;
const ATTEMPTS = 6;

interface Sample {
  readonly rps: number;
  /** µs per request. */
  readonly http: number;
  readonly guests: number;
  /** Cores that others used meanwhile. */
  readonly foreign: number;
}

interface Round {
  readonly node: Sample;
  readonly tiny: Sample;
  readonly js: Sample;
  readonly instance: Sample;
  readonly isolate: Sample | null;
}

async function measure(contender: Contender, seconds = PLAN.seconds): Promise<Sample> {
  for (let attempt = 1; ; attempt++) {
    const sample = await measureOnce(contender, seconds);
    if (sample.foreign <= QUIET_CORES || attempt === ATTEMPTS) return sample;
  }
}

async function measureOnce(contender: Contender, seconds: number): Promise<Sample> {
  const foreign = watchForeign();
  const before = contender.cpu();
  const { requests, rps } = await load(contender.url, contender.key, {
    seconds,
    connections: CONNECTIONS,
    core: LOAD_CORE,
  });
  const after = contender.cpu();
  return {
    rps,
    http: (after.http - before.http) / requests,
    guests: (after.guests - before.guests) / requests,
    foreign: foreign(),
  };
}

/** Everybody once, one after the other: what disturbs the machine for longer than a few seconds disturbs both sides of a ratio. */
async function playRound(bench: Bench): Promise<Round> {
  const node = await measure(bench.node);
  const tiny = await measure(bench.tiny);
  const instance = await measure(bench.instance);
  const js = await measure(bench.js);
  const isolate = PLAN.long ? await measureIsolates(bench) : null;
  return { node, tiny, instance, js, isolate };
}

async function measureIsolates(bench: Bench): Promise<Sample> {
  using contender = await bench.freshIsolates();
  return await measure(contender, ISOLATE_SECONDS); // awaited here: the process lives as long as this block
}

function loadRows(rounds: readonly Round[]): Row[] {
  const row = (id: string, unit: string, pair: (round: Round) => Pair) =>
    rowOf(id, unit, rounds.map(pair));
  const rows = [
    row("gateway.tiny.rps.vs-node", "requests/s", ({ tiny, node }) => ({
      ours: tiny.rps,
      peer: node.rps,
    })),
    row("gateway.tiny.rps.vs-workerd", "requests/s", ({ tiny, instance }) => ({
      ours: tiny.rps,
      peer: instance.rps,
    })),
    row("gateway.tiny.cpu.vs-workerd", "µs CPU/request", ({ tiny, instance }) => ({
      ours: tiny.http + tiny.guests,
      peer: instance.http,
    })),
    row("runner.tiny.cpu", "µs CPU/request", ({ tiny, node }) => ({
      ours: tiny.guests,
      peer: node.http,
    })),
    row("runner.js.cpu", "µs CPU/request", ({ js, node }) => ({
      ours: js.guests,
      peer: node.http,
    })),
  ];
  if (!PLAN.long) return rows;
  const isolate = (round: Round) => ({ ours: round.js.rps, peer: round.isolate?.rps ?? NaN });
  return [...rows, row("gateway.js.rps.vs-workerd-isolate", "requests/s", isolate)];
}

/** Calls that reach outside against plain Node doing the same, and the tiny call against one without preparation. */
async function outsideRows(bench: Bench, upstreamPort: number): Promise<Row[]> {
  using outside = await startOutside(bench, upstreamPort);
  const contenders = [outside.kv, outside.query, outside.fetching, outside.nodeFetch] as const;
  for (const each of contenders) await measureOnce(each, WARM_SECONDS);
  const rounds: { kv: Pair; fetching: Pair; naive: Pair }[] = [];
  for (let number = 1; number <= PLAN.rounds; number++) {
    const cpu = async (contender: Contender) => (await measure(contender)).http;
    const { http, guests } = await measure(bench.tiny);
    rounds.push({
      kv: { ours: await cpu(outside.kv), peer: await cpu(outside.query) },
      fetching: { ours: await cpu(outside.fetching), peer: await cpu(outside.nodeFetch) },
      naive: { ours: http + guests, peer: await naiveCall(PLAN.seconds) },
    });
    say(`outside, round ${number} of ${PLAN.rounds}`);
  }
  const row = (id: string, unit: string, pair: (round: (typeof rounds)[number]) => Pair) =>
    rowOf(id, `µs CPU/request${unit}`, rounds.map(pair));
  return [
    row("kv.get.cpu", " of all processes, ÷ Node with PostgreSQL", ({ kv }) => kv),
    row("fetch.cpu", " of all processes, ÷ Node", ({ fetching }) => fetching),
    row("naive.tiny.cpu", " with HTTP, ÷ an engine per call without", ({ naive }) => naive),
  ];
}

async function coldRow(bench: Bench): Promise<Row> {
  const pairs: Pair[] = [];
  for (let round = 0; round < PLAN.rounds; round++)
    pairs.push(await coldFirstAnswer(bench.caisson, round));
  return rowOf("runner.cold.first-answer", "ms", pairs);
}

async function startRow({ caisson }: Bench): Promise<Row> {
  const pairs: Pair[] = [];
  const supervisor = supervisorOf(caisson);
  let stop = () => stopFirst(supervisor);
  for (let round = 0; round < PLAN.starts; round++) {
    const started = await secondStart(caisson, stop);
    pairs.push(started);
    stop = started.stop;
  }
  await stop();
  return rowOf("start.second.first-answer", "ms", pairs);
}

async function stopFirst(pid: number): Promise<void> {
  process.kill(pid, "SIGTERM");
  await until("the first instance to end", async () => (isThere(pid) ? null : true));
}

function isThere(pid: number): boolean {
  try {
    process.kill(pid, 0);
    return true;
  } catch {
    return false;
  }
}

function say(text: string): void {
  process.stderr.write(`bench: ${text}\n`);
}

async function main(): Promise<void> {
  say(`starting Caisson, Node and workerd; load by ${generatorName()}`);
  const upstreamPort = await freePorts();
  await using dns = await startFakeDns(() => ["127.0.0.1"]);
  await using bench = await startBench({
    EXT_EGRESS_ALLOWLIST: `http://${UPSTREAM}:${upstreamPort}=127.0.0.0/8`,
    CAISSON_EGRESS_DNS: dns.server,
  });
  for (const each of [bench.node, bench.tiny, bench.instance, bench.js])
    await measureOnce(each, WARM_SECONDS);
  const rounds: Round[] = [];
  for (let number = 1; number <= PLAN.rounds; number++) {
    const round = await playRound(bench);
    rounds.push(round);
    say(`round ${number} of ${PLAN.rounds}; others used ${noiseOf(round).toFixed(2)} cores`);
  }
  const tails = PLAN.long ? await rowsUnderLoad(bench) : [];
  const outside = PLAN.long ? await outsideRows(bench, upstreamPort) : [];
  const rows = [
    ...loadRows(rounds),
    ...outside,
    ...tails,
    await coldRow(bench),
    await startRow(bench),
  ];
  print(rows, rounds.filter((round) => noiseOf(round) <= QUIET_CORES).length);
}

/** Of the noisiest of a round's measurements. */
function noiseOf(round: Round): number {
  return Math.max(...Object.values(round).map((sample: Sample | null) => sample?.foreign ?? 0));
}

function print(rows: readonly Row[], quiet: number): void {
  if (options.json) return rows.forEach((row) => process.stdout.write(`${JSON.stringify(row)}\n`));
  for (const { id, ours, peer, ratio, unit, rounds, spread } of rows)
    process.stdout.write(
      `${id.padEnd(36)} ${String(ours).padStart(8)} ÷ ${String(peer).padStart(8)} = ${String(ratio).padEnd(7)} (${spread.join(" … ")})  ${unit}, ${rounds} rounds\n`,
    );
  process.stdout.write(
    `${cpus().length} cores (${cpus()[0]?.model ?? "?"}), load average ${loadavg()[0]?.toFixed(1)}, quiet rounds ${quiet} of ${PLAN.rounds}, c=${CONNECTIONS}, load by ${generatorName()}\n`,
  );
}

await main();
