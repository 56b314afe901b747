import { X509Certificate } from "node:crypto";
import { readFileSync } from "node:fs";
import type { EnvReader } from "#platform";
import type { EdgeKind } from "#store";

/** Where a gateway's calls go (`RUNNER_BASE_URL`): a sandbox of this machine, or a runner elsewhere. */
export type RunnerBase =
  | {
      readonly kind: "unix";
      /** Folder of the sandbox's socket; null: the runtime folder. */
      readonly folder: string | null;
    }
  | {
      readonly kind: "https";
      /** Origin, as the runner was enrolled with it. */
      readonly url: string;
      /** PEM of the authorities that the runner's certificate comes from; null: the well-known ones. */
      readonly ca: string | null;
    };

const MAX_CA_BYTES = 262_144;

export function readRunnerBase(reader: EnvReader): RunnerBase {
  const text = reader.text("RUNNER_BASE_URL", "unix:");
  const caFile = reader.optional("CAISSON_RUNNER_CA");
  const url = originOf(text);
  if (url !== null) return { kind: "https", url, ca: readCa(reader, caFile) };
  if (caFile !== null)
    reader.refuse("CAISSON_RUNNER_CA", "goes with RUNNER_BASE_URL=https://…, which is not set");
  if (text === "unix:") return { kind: "unix", folder: null };
  if (text.startsWith("unix:/")) return { kind: "unix", folder: text.slice("unix:".length) };
  reader.refuse(
    "RUNNER_BASE_URL",
    `cannot read ${JSON.stringify(text.slice(0, 80))}: wanted https://host:port without a path, or unix:<folder of the sandbox's socket>`,
  );
  return { kind: "unix", folder: null };
}

/** Null unless the text is the origin of an https address. */
function originOf(text: string): string | null {
  if (!text.startsWith("https://") || !URL.canParse(text)) return null;
  const { origin } = new URL(text);
  return text === origin || text === `${origin}/` ? origin : null;
}

function readCa(reader: EnvReader, file: string | null): string | null {
  if (file === null) return null;
  try {
    const pem = readFileSync(file, "utf8");
    if (pem.length > MAX_CA_BYTES) throw new Error(`more than ${MAX_CA_BYTES} bytes`);
    return new X509Certificate(pem).raw.length > 0 ? pem : null; // throws for what is none
  } catch (error) {
    reader.refuse("CAISSON_RUNNER_CA", `cannot read ${file}: ${(error as Error).message}`);
    return null;
  }
}

/** The edges that run beside control: a gateway whose runner is elsewhere needs neither runner nor broker here. */
export function localEdgeKinds({ kind }: RunnerBase): readonly EdgeKind[] {
  return kind === "unix" ? ["broker", "runner", "gateway"] : ["gateway"];
}
