/**
 * The import table: what each domain may see. Reviewed like a grant.
 * `npm run generate` writes the project references and the lint overrides from it; test/architecture.test.ts compares both.
 */
export interface Domain {
  readonly folder: string;
  readonly floor: number;
  /** Domains whose face (`#name`) it may import. */
  readonly sees: readonly DomainName[];
  /** npm packages it may import, each with its reason beside it. */
  readonly packages: readonly string[];
}

export type DomainName =
  | "trust"
  | "policy"
  | "contract"
  | "http-api"
  | "platform"
  | "store"
  | "log"
  | "audit"
  | "tenants"
  | "fence"
  | "kv"
  | "executions"
  | "registry"
  | "posture"
  | "api"
  | "link"
  | "runner"
  | "gateway"
  | "execute"
  | "broker"
  | "kit"
  | "cli"
  | "apps";

const core = ["trust", "policy", "contract", "platform"] as const;

export const domains: Readonly<Record<DomainName, Domain>> = {
  trust: { folder: "src/core/trust", floor: 0, sees: [], packages: ["canonicalize"] }, // RFC 8785, no dependencies
  policy: { folder: "src/core/policy", floor: 1, sees: ["trust"], packages: [] },
  contract: { folder: "src/core/contract", floor: 1, sees: ["trust"], packages: [] },
  // Apart from the contract, because the edges do not speak it: they start without its schemas.
  "http-api": {
    folder: "src/core/http-api",
    floor: 2,
    sees: ["trust", "contract"],
    packages: ["typebox"], // schemas are JSON Schema
  },
  platform: {
    folder: "src/core/platform",
    floor: 2,
    sees: ["trust", "contract"],
    packages: ["prom-client"], // counters, buckets and their text format
  },
  store: {
    folder: "src/control/store",
    floor: 3,
    sees: ["trust", "contract", "platform"],
    packages: ["kysely", "pg"],
  },
  log: {
    folder: "src/control/log",
    floor: 4,
    sees: ["trust", "contract", "platform"],
    packages: [],
  },
  audit: {
    folder: "src/control/audit",
    floor: 5,
    sees: ["trust", "contract", "platform", "store", "log"],
    packages: [],
  },
  tenants: {
    folder: "src/control/tenants",
    floor: 6,
    sees: [...core, "store", "log"],
    packages: ["kysely"],
  },
  fence: {
    folder: "src/control/fence",
    floor: 6,
    sees: [...core, "store"],
    packages: [],
  },
  kv: {
    folder: "src/control/kv",
    floor: 6,
    sees: [...core, "store"],
    packages: ["kysely"],
  },
  executions: {
    folder: "src/control/executions",
    floor: 7,
    sees: [...core, "store"],
    packages: ["kysely"],
  },
  registry: {
    folder: "src/control/registry",
    floor: 7,
    sees: [...core, "store", "log", "audit", "tenants", "fence", "kv"],
    packages: ["kysely"],
  },
  posture: { folder: "src/control/posture", floor: 7, sees: [...core], packages: [] },
  api: {
    folder: "src/control/api",
    floor: 8,
    sees: [
      ...core,
      "http-api",
      "store",
      "log",
      "audit",
      "tenants",
      "fence",
      "kv",
      "executions",
      "registry",
      "posture",
    ],
    packages: ["fastify"],
  },
  link: { folder: "src/edge/link", floor: 3, sees: [...core], packages: [] },
  runner: { folder: "src/edge/runner", floor: 4, sees: [...core, "link"], packages: [] },
  gateway: { folder: "src/edge/gateway", floor: 4, sees: [...core, "link"], packages: [] },
  execute: {
    folder: "src/edge/execute",
    floor: 5,
    sees: [...core, "link", "gateway"],
    packages: [],
  },
  broker: { folder: "src/edge/broker", floor: 4, sees: [...core, "link"], packages: [] },
  kit: {
    folder: "src/kit",
    floor: 8,
    sees: [...core, "http-api", "link"],
    packages: ["esbuild", "componentize-qjs", "@bytecodealliance/jco-transpile"], // bundle and strip types; JavaScript to component; WIT and WAT tools
  },
  cli: { folder: "src/cli", floor: 9, sees: [...core, "http-api", "kit"], packages: ["commander"] },
  apps: {
    folder: "src/apps",
    floor: 10,
    sees: [
      ...core,
      "http-api",
      "store",
      "log",
      "audit",
      "tenants",
      "fence",
      "kv",
      "executions",
      "registry",
      "posture",
      "api",
      "link",
      "runner",
      "gateway",
      "execute",
      "broker",
      "kit",
    ],
    packages: ["pg"],
  },
};

/** Who may start processes; everything else is refused by the architecture test. */
export const mayStartProcesses: readonly string[] = [
  "src/edge/runner/", // compiler and sandbox
  "src/kit/", // authoring tools
  "src/apps/", // supervisor, embedded PostgreSQL
];

/** Who may import a database driver. */
export const mayOpenDatabase: readonly string[] = ["src/control/"];
