import { digestOf } from "#trust";
import type { FileDigest } from "#trust";
import type { RunnerClass } from "#contract";
import type { Metrics } from "#platform";
import type { BuildStore } from "./build-store.ts";

export interface CodeParts {
  /** Of the sandbox that runs the code. */
  readonly runnerClass: RunnerClass;
  readonly builds: BuildStore;
  readonly compile: (component: Uint8Array) => Promise<Uint8Array>;
  readonly fingerprint: string;
  readonly metrics: Metrics;
}

/** Code of a component for this engine: the build that this runner made and MACed, else a new one. Throws BuildError, or what the compiler threw. */
export async function codeOf(parts: CodeParts, component: Uint8Array): Promise<Uint8Array> {
  const { builds, fingerprint } = parts;
  const digest: FileDigest = digestOf("file", component);
  const build =
    (await builds.read(digest, fingerprint)) ??
    (await builds.write(digest, fingerprint, await compiled(parts, component)));
  return build.code;
}

async function compiled(
  { compile, metrics }: CodeParts,
  component: Uint8Array,
): Promise<Uint8Array> {
  const from = performance.now();
  try {
    const code = await compile(component);
    metrics.count("caisson_builds_total", { outcome: "built" });
    return code;
  } catch (error) {
    metrics.count("caisson_builds_total", { outcome: "failed" });
    throw error;
  } finally {
    metrics.observe("caisson_build_seconds", (performance.now() - from) / 1_000, {});
  }
}
