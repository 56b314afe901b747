import { join } from "node:path";
import type { Mode } from "./mode.ts";
import type { Samples } from "./samples.ts";

/** What a start prints: where things are, one call that works, one refusal to see. */
export function welcome(
  config: { readonly data: string; readonly port: number; readonly mode: Mode },
  samples: Samples | null,
): string {
  if (config.mode.name === "production") return productionWelcome(config);
  const lines = [
    "",
    "Caisson runs in DEVELOPMENT MODE: loopback only, no TLS, keys as files.",
    `  control    http://127.0.0.1:${config.port} (its page says how far to rely on it)`,
    `  extensions http://127.0.0.1:${config.port + 1}/api/ext/`,
    `  data       ${config.data}`,
    `  keys       ${join(config.data, "keys")} (operator.key opens everything), ${join(config.data, "dev")}`,
  ];
  const [tenant] = samples?.tenants ?? [];
  if (tenant !== undefined)
    lines.push(
      "",
      "A proven extension answers:",
      `  ${curlCommand(config, tenant.key)}`,
      "",
      "The same extension with one byte changed is refused:",
      "  ./caisson demo-refusal",
      "",
    );
  lines.push("Ctrl-C stops everything.", "");
  return lines.join("\n");
}

function productionWelcome({
  data,
  port,
  mode: { publicHost, transport },
}: {
  readonly data: string;
  readonly port: number;
  readonly mode: Mode;
}): string {
  const at = (own: number) =>
    transport.kind === "proxy" ? `port ${own}, behind the proxy` : `https://${publicHost}:${own}`;
  return [
    "",
    "Caisson runs in production mode.",
    `  control    ${at(port)} (its page says how far to rely on it)`,
    `  extensions ${at(port + 1)}/api/ext/`.replace("the proxy/", "the proxy: /"),
    `  data       ${data}`,
    "Ctrl-C stops everything.",
    "",
  ].join("\n");
}

export function curlCommand(config: { readonly port: number }, key: string): string {
  return `curl -H 'Authorization: Bearer ${key}' http://127.0.0.1:${config.port + 1}/api/ext/demo.hello/hello/you`;
}
