import { ObjectReader, parseStrictJson } from "#trust";
import type { JsonValue } from "#trust";
import { limits } from "./limits.ts";
import { NAME_PATTERN, parseVersion } from "./names.ts";
import type { Version } from "./names.ts";
import { readDeclarations } from "./config-values.ts";
import type { ConfigDeclaration } from "./config-values.ts";
import { readInstruments } from "./instruments.ts";
import type { Instrument } from "./instruments.ts";
import { readEgress } from "./egress.ts";
import type { EgressRule } from "./egress.ts";
import { parseEndpoint } from "./endpoint.ts";
import type { Endpoint } from "./endpoint.ts";

export const CONFIG_SCHEMA = 1;
export const WIT_VERSION = "caisson:ext@1.0.0";
export const capabilityNames = ["log", "http.fetch", "storage.kv", "config", "metrics"] as const;
export type CapabilityName = (typeof capabilityNames)[number];

/** `caisson.json`: what an extension is and asks for. It is inside the artifact's digest. */
export interface ExtensionConfig {
  readonly publisher: string;
  readonly name: string;
  readonly version: Version;
  readonly wit: typeof WIT_VERSION;
  readonly component: string;
  readonly endpoints: readonly Endpoint[];
  readonly capabilities: readonly CapabilityName[];
  /** Parameters of `http.fetch`: where it wants to go; empty without the capability. */
  readonly egress: readonly EgressRule[];
  /** Parameters of `config`: the names that a tenant may set; empty without the capability. */
  readonly values: readonly ConfigDeclaration[];
  /** Parameters of `metrics`: the figures that it may keep; empty without the capability. */
  readonly instruments: readonly Instrument[];
  readonly limits: RequestedLimits;
}

export interface RequestedLimits {
  readonly memoryBytes: number;
  readonly deadlineMs: number;
  /** 0: it runs where fuel is not counted. */
  readonly fuel: number;
}

/** bytes: attacker-controlled. The one parser of kit, publish, install and load; an unknown field or capability is refused. */
export function parseExtensionConfig(bytes: Uint8Array): ExtensionConfig {
  const reader = ObjectReader.of(
    parseStrictJson(bytes, { maxBytes: limits.configBytes.value }),
    "caisson.json",
  );
  reader.literal("schema", CONFIG_SCHEMA);
  const config = {
    publisher: reader.string("publisher", { pattern: NAME_PATTERN }),
    name: reader.string("name", { pattern: NAME_PATTERN }),
    version:
      parseVersion(reader.string("version", { max: 64 })) ??
      reader.refuse("version", "a semantic version without build metadata"),
    wit: reader.literal("wit", WIT_VERSION),
    component: reader.string("component", { pattern: /^[A-Za-z0-9][A-Za-z0-9._-]{0,99}\.wasm$/ }),
    endpoints: reader.list("endpoints", { max: limits.endpoints.value }, readEndpoint),
    ...readCapabilities(reader.object("capabilities")),
    limits: readLimits(reader.optionalObject("limits")),
  };
  reader.end();
  return config;
}

function readEndpoint(value: JsonValue, path: string): Endpoint {
  const reader = ObjectReader.of(value, path);
  const endpoint = parseEndpoint(
    reader.string("method", { max: 16 }),
    reader.string("path", { max: 512 }),
  );
  if (endpoint === null)
    return reader.refuse(
      "path",
      "an upper-case method and a path of plain segments or :parameters",
    );
  reader.end();
  return endpoint;
}

function readCapabilities(
  reader: ObjectReader,
): Pick<ExtensionConfig, "capabilities" | "egress" | "values" | "instruments"> {
  const capabilities = capabilityNames.filter((name) => reader.has(name));
  let egress: readonly EgressRule[] = [];
  let values: readonly ConfigDeclaration[] = [];
  let instruments: readonly Instrument[] = [];
  for (const name of capabilities) {
    const parameters = reader.object(name);
    if (name === "http.fetch") egress = readEgress(parameters, "hosts");
    if (name === "config") values = readDeclarations(parameters, "values");
    if (name === "metrics") instruments = readInstruments(parameters, "instruments");
    parameters.end();
  }
  reader.end();
  return { capabilities, egress, values, instruments };
}

function readLimits(reader: ObjectReader | null | undefined): RequestedLimits {
  if (reader === null || reader === undefined)
    return {
      memoryBytes: limits.memoryBytes.value,
      deadlineMs: limits.callDeadlineMs.value,
      fuel: limits.fuel.value,
    };
  const asked = {
    memoryBytes: reader.has("memoryBytes")
      ? reader.integer("memoryBytes", { min: 65_536, max: limits.memoryBytes.max })
      : limits.memoryBytes.value,
    deadlineMs: reader.has("deadlineMs")
      ? reader.integer("deadlineMs", { min: 1, max: limits.planDeadlineMs.value })
      : limits.callDeadlineMs.value,
    fuel: reader.has("fuel")
      ? reader.integer("fuel", { min: 1, max: limits.fuel.max })
      : limits.fuel.value,
  };
  reader.end();
  return asked;
}
