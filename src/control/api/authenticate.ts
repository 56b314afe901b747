import type { FastifyRequest } from "fastify";
import { authorize } from "#policy";
import type { Principal, Resource } from "#policy";
import type { Store } from "#store";
import { principalOf } from "#tenants";
import { ApiRefusal } from "./api-error.ts";

/** Bearer key, or the password of Basic (for registry clients). Throws "auth.required". */
export async function authenticate(store: Store, request: FastifyRequest): Promise<Principal> {
  const secret = secretOf(request.headers.authorization);
  const principal = secret === null ? null : await principalOf(store, secret);
  if (principal === null)
    throw new ApiRefusal("auth.required", "cannot answer without a valid API key");
  return principal;
}

function secretOf(header: string | undefined): string | null {
  if (header === undefined || header.length > 1_024) return null;
  if (header.startsWith("Bearer ")) return header.slice(7);
  if (!header.startsWith("Basic ")) return null;
  const text = Buffer.from(header.slice(6), "base64").toString("utf8");
  return text.slice(text.indexOf(":") + 1);
}

/** Throws "auth.tenant" where the key is another tenant's, "auth.forbidden" where it may not do this at all. */
export function requireMay(principal: Principal, action: string, resource: Resource): void {
  if (authorize(principal, action, resource)) return;
  if (
    principal.kind === "apiKey" &&
    resource.tenant !== null &&
    principal.tenant !== resource.tenant
  )
    throw new ApiRefusal("auth.tenant", "cannot reach another tenant with this key");
  throw new ApiRefusal("auth.forbidden", `cannot do ${action} with this key`);
}

/** As audit records and fence entries name who did it. */
export function nameOf(principal: Principal): string {
  return `${principal.kind} ${principal.id}`;
}
