import { join } from "node:path";
import type { Samples } from "./samples.ts";

/** What a start prints: where things are, one call that works, one refusal to see. */
export function welcome(
  config: { readonly data: string; readonly port: number },
  samples: Samples | null,
): string {
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

export function curlCommand(config: { readonly port: number }, key: string): string {
  return `curl -H 'Authorization: Bearer ${key}' http://127.0.0.1:${config.port + 1}/api/ext/demo.hello/hello/you`;
}
