import { expect, test } from "vitest";
import { soak } from "../soak/soak.ts";

const SECONDS = 25;
const LONG_MS = 600_000;

test(
  "under random kill -9 of every process nothing that was answered is lost (npm run soak is the long form)",
  async () => {
    const report = await soak({ seconds: SECONDS, seed: 7 });
    expect(report.lost).toEqual([]);
    expect(report.calls).toBeGreaterThan(10);
    expect(Object.values(report.kills).reduce((sum, n) => sum + n, 0)).toBeGreaterThan(3);
  },
  LONG_MS,
);
