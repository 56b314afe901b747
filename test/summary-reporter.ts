import { relative } from "node:path";
import { RUN_FILES, sourceDigest } from "../src/control/posture/index.ts";
import { keepRun } from "./keep-run.ts";
import type { Reporter, SerializedError, TestCase, TestModule } from "vitest/node";
import { expectedSkips } from "./expected-skips.ts";

/** Closes a run with `N passed, N failed, N skipped`; an unexpected skip or a run without a passed test counts as a failure. */
export class SummaryReporter implements Reporter {
  #source = "";

  onTestRunStart(): void {
    this.#source = sourceDigest(process.cwd());
  }

  onTestRunEnd(modules: readonly TestModule[], errors: readonly SerializedError[]): void {
    const tests = modules.flatMap((module) => [...module.children.allTests()]);
    const skipped = tests.filter((test) => test.result().state === "skipped");
    const unexpected = skipped.filter(
      (test) => !expectedSkips.some((known) => known.test === test.fullName && known.when()),
    );
    for (const test of skipped)
      process.stdout.write(`${skipLine(test, unexpected.includes(test))}\n`);
    const passed = tests.filter((test) => test.result().state === "passed").length;
    const broken = modules.filter((module) => module.errors().length > 0).length + errors.length;
    const failed =
      tests.filter((test) => test.result().state === "failed").length +
      broken +
      unexpected.length +
      (passed === 0 ? 1 : 0);
    if (failed > 0) process.exitCode = 1;
    const named = (state: "passed" | "failed") =>
      tests
        .filter((test) => test.result().state === state)
        .map((test) => `${relative(process.cwd(), test.module.moduleId)} > ${test.fullName}`);
    keepRun(RUN_FILES.tests, this.#source, { passed: named("passed"), failed: named("failed") });
    process.stdout.write(
      `${passed} passed, ${failed} failed, ${skipped.length - unexpected.length} skipped\n`,
    );
  }
}

function skipLine(test: TestCase, unexpected: boolean): string {
  return `${unexpected ? "UNEXPECTED SKIP" : "skipped"}: ${test.fullName}`;
}
