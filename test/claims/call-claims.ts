import { edit } from "./claim.ts";
import type { Claim } from "./claim.ts";

const GATEWAY = "src/edge/gateway/gateway-server.ts";
const CALLER = "anyone who reaches the gateway with a good API key";
const common = { door: "call", tests: "test/attack/call.test.ts" } as const;

/** Checks of the gateway. */
export const callClaims: readonly Claim[] = [
  {
    ...common,
    id: "CALL-ENDPOINT",
    sentence: "A method or path that the manifest does not name reaches no guest.",
    attacker: CALLER,
    tooth: [
      edit(
        GATEWAY,
        'const route = matchEndpoint(install, request.method ?? "", target.segments);',
        "const route = matchEndpoint(install, request.method ?? '', target.segments) ?? { ...install.routes[0]!, params: [] };",
      ),
    ],
  },
  {
    ...common,
    id: "CALL-BODY",
    sentence: "A request body over its bound is refused, its size declared or not.",
    attacker: CALLER,
    tooth: [
      edit(GATEWAY, "Number(length) > limits.bodyBytes.value", "Number(length) < 0"),
      edit(
        "src/edge/gateway/extension-call.ts",
        "if (this.#received > limits.bodyBytes.value)",
        "if (this.#received < 0)",
      ),
      edit(
        "src/edge/runner/grant-keeper.ts",
        "requestBytes: limits.bodyBytes.value,",
        "requestBytes: limits.bodyBytes.max,",
      ),
    ],
  },
  {
    ...common,
    id: "CALL-HEADERS",
    sentence: "Request headers over their bounds, in number or in bytes, are refused.",
    attacker: CALLER,
    tooth: [edit(GATEWAY, "headersTooLarge(request.rawHeaders)", "headersTooLarge([])")],
  },
  {
    ...common,
    id: "CALL-URL",
    sentence: "A URL over its bound is refused.",
    attacker: CALLER,
    tooth: [
      edit(
        "src/edge/gateway/request-target.ts",
        'if (url.length > limits.urlBytes.value) return "malformed";',
        "",
      ),
    ],
  },
  {
    ...common,
    id: "CALL-TRAVERSAL",
    sentence:
      "Encoded separators and dots, dot segments and bytes that two parsers read in two ways are refused.",
    attacker: CALLER,
    tooth: [
      edit(
        "src/edge/gateway/request-target.ts",
        'if (FORBIDDEN.test(raw)) return "malformed";',
        "",
      ),
    ],
  },
  {
    ...common,
    id: "CALL-TENANT",
    sentence: "A tenant's key reaches only its own installs; another's looks like none.",
    attacker: "a tenant with an API key that has every action",
    tooth: [
      edit(
        "src/edge/gateway/routes.ts",
        "install: (tenant, extension) => tenants.get(tenant)?.get(extension),",
        "install: (_tenant, extension) => [...tenants.values()].find((own) => own.has(extension))?.get(extension),",
      ),
    ],
  },
  {
    ...common,
    id: "CALL-REVOKED",
    sentence: "A revoked API key calls nothing once the gateway has the next snapshot.",
    attacker: "the holder of a key that was revoked",
    notClaimed:
      "A gateway that cannot reach control serves a revoked key until its snapshot is too old (15 minutes).",
    tooth: [
      edit(
        "src/control/registry/installs.ts",
        '.where("revoked_at", "is", null)',
        '.where("created_at", "is not", null)',
      ),
    ],
  },
  {
    ...common,
    id: "CALL-ACTION",
    sentence: "A key without the action ext:call calls nothing.",
    attacker: "the holder of a key for another purpose",
    tooth: [edit(GATEWAY, "if (!key.call)", "if (key.call === null)")],
  },
];
