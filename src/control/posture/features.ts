import type { PostureLabel } from "./label.ts";

/** What works and is no refusal, and how far one may rely on it. */
export interface Feature {
  readonly id: string;
  readonly sentence: string;
  readonly label: Exclude<PostureLabel, "Enforced">;
  readonly why: string;
  /** The one mode that it is true of; both unless told. */
  readonly mode?: "development" | "production";
  /** Tests that show it, as `file > test`. */
  readonly tests: readonly string[];
}

export const features: readonly Feature[] = [
  {
    id: "call-lines",
    sentence: "Calls that do not end well have a log line that says whose they were.",
    label: "Shipped",
    why: "CAISSON_LOG_CALLS=none turns it off",
    tests: [
      "test/e2e/operations.test.ts > answers are counted by code, verdicts by door, and what failed has a line that says whose it was",
    ],
  },
  {
    id: "drain",
    sentence: "A gateway that is asked to stop finishes the calls inside and loses no record.",
    label: "Shipped",
    why: "a second signal ends it at once",
    tests: [
      "test/e2e/operations.test.ts > a gateway that is asked to stop finishes the calls inside, takes no new ones, and loses no record",
    ],
  },
  {
    id: "log-verify",
    sentence: "Anybody checks the logs with caisson log verify, and trusts no server for it.",
    label: "Shipped",
    why: "somebody has to run it",
    tests: [
      "test/e2e/cli.test.ts > log verify believes neither a changed entry nor an older log than the one it saw",
    ],
  },
  {
    id: "http.fetch",
    sentence: "Extensions reach outside through http.fetch 1.0.0.",
    label: "Beta",
    why: "its WIT interface may still change before 1.0 of Caisson",
    tests: [
      "test/attack/egress.test.ts > the broker sends what the grant names [EGRESS-GRANT twin]",
    ],
  },
  {
    id: "storage.kv",
    sentence: "Extensions keep keys and values through storage.kv 1.0.0.",
    label: "Beta",
    why: "its WIT interface may still change before 1.0 of Caisson",
    tests: [
      "test/attack/kv.test.ts > what is put is there for the next call, listed over pages, and gone when it is deleted",
    ],
  },
  {
    id: "config",
    sentence: "Tenants set values at install, which extensions read through config 1.0.0.",
    label: "Beta",
    why: "its WIT interface may still change before 1.0 of Caisson",
    tests: [
      "test/attack/config.test.ts > a guest sees what its tenant set and the manifest's defaults, and keeps it over an upgrade that says nothing",
    ],
  },
  {
    id: "metrics",
    sentence: "Extensions keep figures for the operator's monitoring through metrics 1.0.0.",
    label: "Beta",
    why: "its WIT interface may still change before 1.0 of Caisson",
    tests: [
      "test/attack/metrics.test.ts > counters add up over calls, gauges stand at their last value, histograms count by bucket",
    ],
  },
  {
    id: "remote-runner",
    sentence: "A gateway's runner may be on another machine, enrolled by name and called over TLS.",
    label: "Beta",
    why: "the form of the call may still change before 1.0 of Caisson",
    tests: [
      "test/e2e/remote-runner.test.ts > a runner on another machine answers both tenants, each in its own install alone",
      "test/e2e/remote-runner.test.ts > kill -9 of it is 503 runner.lost, and it serves again when it is started again",
    ],
  },
  {
    id: "templates",
    sentence: "The TypeScript template builds, tests and runs in a folder outside the clone.",
    label: "Beta",
    why: "the kit's folder layout may still change before 1.0 of Caisson",
    tests: [
      "test/e2e/kit-outside.test.ts > the TypeScript template goes from new through its own test to an answer, and packs to the same digest again",
    ],
  },
  {
    id: "development-mode",
    mode: "development",
    sentence: "Keys lie in files of the data folder, and control speaks plain HTTP on loopback.",
    label: "Partial / do-not-rely",
    why: "development mode, asked for by npm start: whoever reads the data folder holds every key",
    tests: [],
  },
  {
    id: "arm64",
    sentence: "Linux on arm64 builds from the same sources.",
    label: "Partial / do-not-rely",
    why: "no test has run there",
    tests: [],
  },
];
