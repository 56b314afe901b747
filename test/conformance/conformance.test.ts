import { expect, test } from "vitest";

import { corporaPresent, openSet } from "./corpus.ts";
import { SUITES } from "./suites/index.ts";

test.skipIf(!corporaPresent())("the public test corpora are present", () => {
  expect(openSet("dsse").files.length).toBeGreaterThan(0);
});

if (corporaPresent()) {
  for (const [name, floor, run] of SUITES) {
    test(`public suite ${name} passes whole`, () => {
      const result = run();
      expect(result.failures).toEqual([]);
      expect(result.passed).toBe(result.total);
      expect(result.total).toBeGreaterThanOrEqual(floor);
      expect(result.notRun.filter(({ reason }) => reason === "")).toEqual([]);
    });
  }
}
