import { edit } from "./claim.ts";
import type { Claim } from "./claim.ts";

const TENANT = "a tenant with an API key that has every action";
const common = { door: "api", tests: "test/attack/tenant.test.ts" } as const;

/** Checks of the management API and the registry. */
export const apiClaims: readonly Claim[] = [
  {
    ...common,
    id: "API-TENANT",
    sentence: "At no operation of the API does a tenant's key reach another tenant's things.",
    attacker: TENANT,
    notClaimed: "Names, versions and verdicts of admitted artifacts are public to all tenants.",
    tooth: [
      edit(
        "src/core/policy/authorize.ts",
        "(principal.tenant !== null && principal.tenant === resource.tenant)",
        "principal.tenant !== null",
      ),
    ],
  },
  {
    ...common,
    id: "API-PENDING",
    sentence: "What is pushed and not admitted is seen by its publisher's tenant alone.",
    attacker: TENANT,
    tooth: [
      edit(
        "src/control/api/repository-access.ts",
        "if (reader.seesPending) return true;",
        "if (reader.repository !== '') return true;",
      ),
    ],
  },
  {
    ...common,
    id: "API-REVOKED",
    sentence: "A revoked API key opens nothing at control from the next request on.",
    attacker: "the holder of a key that was revoked",
    tooth: [
      edit(
        "src/control/tenants/api-keys.ts",
        '.selectAll()\n    .where("hash", "=", hash)\n    .where("revoked_at", "is", null)',
        '.selectAll()\n    .where("hash", "=", hash)',
      ),
    ],
  },
  {
    ...common,
    id: "API-WIDEN",
    sentence: "An API key makes no key that may do more than itself.",
    attacker: "the holder of a key that may manage keys and little else",
    tooth: [
      edit("src/control/api/management-routes.ts", "if (more.length > 0)", "if (more.length < 0)"),
    ],
  },
];
