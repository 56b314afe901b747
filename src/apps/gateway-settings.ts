import { limits } from "#contract";
import { CALL_LINES } from "#gateway";
import type { CallLines } from "#gateway";
import { dataFolder, runtimeFolder } from "#platform";
import type { EnvReader } from "#platform";
import { readMode } from "./mode.ts";
import type { Mode } from "./mode.ts";
import { readOperationsPort } from "./operations.ts";
import type { Env } from "./operations.ts";
import { readRunnerBase } from "./runner-base.ts";
import type { RunnerBase } from "./runner-base.ts";

export interface GatewaySettings {
  readonly data: string;
  readonly runtime: string;
  readonly mode: Mode;
  readonly port: number;
  readonly operationsPort: number;
  readonly deadlineMs: number;
  readonly callLines: CallLines;
  readonly runner: RunnerBase;
}

export function readGatewaySettings(reader: EnvReader, env: Env): GatewaySettings {
  const data = dataFolder(env);
  return {
    data,
    runtime: runtimeFolder(env, data),
    mode: readMode(reader, new Date(), "edge"),
    port: reader.int("CAISSON_PORT", { min: 0, max: 65_535, default: 8_701 }),
    operationsPort: readOperationsPort(reader, "gateway"),
    callLines: reader.choice("CAISSON_LOG_CALLS", CALL_LINES, "failed"),
    runner: readRunnerBase(reader),
    deadlineMs: reader.int("EXT_GATEWAY_TIMEOUT_MS", {
      min: 1,
      max: limits.callDeadlineMs.max,
      default: limits.callDeadlineMs.value,
    }),
  };
}
