import { ObjectReader, parseStrictJson } from "#trust";
import type { ProcessName } from "./metrics.ts";

/** How often each process looks at itself and says so; after three times of silence it counts as gone. */
export const SELF_CHECK_EVERY_MS = 10_000;

/** on: it holds in the process that says so; off: it does not; not-available: this machine cannot have it or show it. */
export const selfCheckStates = ["on", "off", "not-available"] as const;
export type SelfCheckState = (typeof selfCheckStates)[number];

export interface SelfCheckDefinition {
  /** Processes that look at it, each for itself. */
  readonly of: readonly ProcessName[];
  readonly meaning: string;
  /** What an operator does about it where it is not on. */
  readonly remedy: string;
  /** required: claims rest on it; more: a further layer, and no claim rests on it. */
  readonly need: "required" | "more";
}

const RESTART =
  "restart the process; if it stays, treat this machine as compromised or this release as broken";
const KERNEL = "run on Linux 5.13 or newer with this facility in its kernel";

/** What running processes look at in themselves, over and over. */
export const selfCheckTable = {
  "trust.known-answer": {
    of: ["control", "runner"],
    meaning:
      "a release made for the purpose is accepted, and refused with each part of its proof changed",
    remedy: RESTART,
    need: "required",
  },
  "api.known-answer": {
    of: ["control"],
    meaning: "a key that nobody was given opens nothing",
    remedy: RESTART,
    need: "required",
  },
  "store.row-security": {
    of: ["control"],
    meaning:
      "control's database role owns nothing, cannot pass over row-level security, and sees no tenant's row without naming the tenant",
    remedy:
      "give control the role caisson_app as the migrations make it, without SUPERUSER and BYPASSRLS",
    need: "required",
  },
  "fence.acknowledged": {
    of: ["control"],
    meaning: "every enrolled edge is connected and has acknowledged the newest fence",
    remedy:
      "caisson fence list names what is stopped; start the edge that is missing, or look why it does not reach control",
    need: "required",
  },
  "fence.in-force": {
    of: ["gateway", "runner", "broker"],
    meaning: "the edge knows what is stopped, and serves from a snapshot that is fresh",
    remedy:
      "look why the edge does not reach control; it refuses everything once its snapshot is too old",
    need: "required",
  },
  "gateway.known-answer": {
    of: ["gateway"],
    meaning: "a key that nobody was given, and a path that climbs, open nothing",
    remedy: RESTART,
    need: "required",
  },
  "egress.known-answer": {
    of: ["broker"],
    meaning:
      "private, loopback, link-local, metadata and mapped addresses are refused, a public one is not",
    remedy: RESTART,
    need: "required",
  },
  "sandbox.landlock": layer("required", "the sandbox may open no file", KERNEL),
  "sandbox.seccomp": layer(
    "required",
    "a system call that is not on the sandbox's list ends it",
    KERNEL,
  ),
  "sandbox.no-new-privileges": layer(
    "required",
    "the sandbox cannot gain rights by running a program",
    KERNEL,
  ),
  "sandbox.undumpable": layer(
    "required",
    "no process of the same user can read the sandbox's memory",
    KERNEL,
  ),
  "sandbox.own-user": layer(
    "more",
    "the sandbox runs as a user of its own",
    "not built yet: run Caisson as a user that owns nothing else",
  ),
  "sandbox.own-network": layer(
    "more",
    "the sandbox sees no network interface",
    "not built yet: the system call filter already refuses sockets",
  ),
  "sandbox.memory-group": layer(
    "more",
    "the kernel bounds the memory of the sandbox as a whole",
    "start Caisson under a cgroup with memory.max, as a systemd unit with MemoryMax= does",
  ),
  "keys.files": {
    of: ["control"],
    meaning: "key files and their folder are open to their owner alone",
    remedy: "chmod 700 the folder keys in the data folder, and 600 what lies in it",
    need: "required",
  },
  "keys.sealed": {
    of: ["control"],
    meaning: "control's keys are sealed by a passphrase that does not lie beside them",
    remedy: "production mode seals them (CAISSON_KEYS_PASSPHRASE_FILE)",
    need: "more",
  },
  "transport.tls": {
    of: ["control"],
    meaning: "clients and edges reach control over TLS",
    remedy: "development mode listens on loopback alone; do not put it on a network",
    need: "more",
  },
} as const satisfies Record<string, SelfCheckDefinition>;

export type SelfCheckId = keyof typeof selfCheckTable;

export interface SelfCheck {
  readonly id: SelfCheckId;
  readonly state: SelfCheckState;
  /** What was found where it is not on; never a path or a secret. */
  readonly detail: string;
}

function layer(
  need: SelfCheckDefinition["need"],
  meaning: string,
  remedy: string,
): SelfCheckDefinition {
  return { of: ["runner"], meaning, remedy, need };
}

const MAX_REPORT_BYTES = 16 * 1_024;
const MAX_DETAIL = 300;

export function selfCheckReport(checks: readonly SelfCheck[]): string {
  return JSON.stringify({
    checks: checks.map(({ id, state, detail }) => ({
      id,
      state,
      detail: detail.slice(0, MAX_DETAIL),
    })),
  });
}

/** bytes: of an edge. Throws TrustError for another form, an unknown check, or one that is not this process's to make. */
export function parseSelfCheckReport(bytes: Uint8Array, of: ProcessName): readonly SelfCheck[] {
  const reader = ObjectReader.of(parseStrictJson(bytes, { maxBytes: MAX_REPORT_BYTES }), "report");
  const checks = reader.objects("checks", { max: Object.keys(selfCheckTable).length }, (check) => ({
    id: check.oneOf("id", idsOf(of)),
    state: check.oneOf("state", selfCheckStates),
    detail: check.string("detail", { max: MAX_DETAIL }),
  }));
  reader.end();
  return checks;
}

/** Checks that this process makes. */
export function idsOf(process: ProcessName): SelfCheckId[] {
  return Object.entries<SelfCheckDefinition>(selfCheckTable).flatMap(
    ([id, { of }]) => (of.includes(process) ? [id as SelfCheckId] : []), // a key of the table
  );
}
