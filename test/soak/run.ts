import { soak } from "./soak.ts";

const HELP = `npm run soak [-- --minutes N] [--seed N]
an hour (or N minutes) of mixed load on the whole product under random kill -9 of its processes;
ends with status 1 where anything that was answered was lost
`;

function valueOf(name: string, fallback: number): number {
  const at = process.argv.indexOf(name);
  const value = at < 0 ? fallback : Number(process.argv[at + 1]);
  if (!Number.isFinite(value) || value < 0) throw new Error(`${name} wants a number`);
  return value;
}

if (process.argv.includes("--help")) process.stdout.write(HELP);
else {
  const from = Date.now();
  const report = await soak({
    seconds: valueOf("--minutes", 60) * 60,
    seed: valueOf("--seed", from % 1_000_000),
    tell: (line) => process.stderr.write(`${Math.round((Date.now() - from) / 1_000)} s: ${line}\n`),
  });
  process.stdout.write(`${JSON.stringify(report, null, 2)}\n`);
  if (report.lost.length > 0) process.exitCode = 1;
}
