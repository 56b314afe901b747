import { readCeiling } from "#broker";
import type { EgressCeiling } from "#broker";
import { dataFolder, runtimeFolder } from "#platform";
import type { EnvReader } from "#platform";
import { readOperationsPort } from "./operations.ts";
import type { Env } from "./operations.ts";

export interface BrokerSettings {
  readonly data: string;
  readonly runtime: string;
  readonly ceiling: EgressCeiling;
  readonly dnsServers: readonly string[];
  /** PEM file with authorities of one's own, trusted beside the well-known ones. */
  readonly authorityFile: string | null;
  readonly operationsPort: number;
}

export function readBrokerSettings(reader: EnvReader, env: Env): BrokerSettings {
  const data = dataFolder(env);
  const dns = reader.text("CAISSON_EGRESS_DNS", "").split(",");
  return {
    data,
    runtime: runtimeFolder(env, data),
    ceiling: readCeiling(reader),
    operationsPort: readOperationsPort(reader, "broker"),
    authorityFile: reader.optional("CAISSON_EGRESS_CA"),
    dnsServers: dns.map((server) => server.trim()).filter((server) => server !== ""),
  };
}
