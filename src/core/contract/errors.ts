/** code → what a caller sees. The one catalogue: HTTP, CLI, reasons and docs/errors.md come from it. */
export interface ErrorEntry {
  readonly http: number;
  /** Exit status of the command line: 1 refused, 2 usage, 3 not there, 4 not allowed, 5 try again, 6 ours. */
  readonly exit: number;
  readonly actor: "caller" | "operator" | "us";
  readonly meaning: string;
}

const entry = (
  http: number,
  exit: number,
  actor: ErrorEntry["actor"],
  meaning: string,
): ErrorEntry => ({ http, exit, actor, meaning });

export const errors = {
  "request.malformed": entry(
    400,
    2,
    "caller",
    "syntax, normalisation or a field that the schema does not have",
  ),
  "request.too_large": entry(413, 2, "caller", "body or headers over their bound"),
  "auth.required": entry(401, 4, "caller", "no API key, or one that is unknown or revoked"),
  "auth.tenant": entry(403, 4, "caller", "the key belongs to another tenant"),
  "auth.forbidden": entry(403, 4, "caller", "the key may not do this"),
  "route.unknown": entry(404, 3, "caller", "no such route"),
  "tenant.unknown": entry(404, 3, "caller", "no such tenant that this key may see"),
  "tenant.exists": entry(409, 2, "caller", "a tenant of that name exists"),
  "key.unknown": entry(404, 3, "caller", "no such API key of this tenant"),
  "publisher.unknown": entry(404, 3, "caller", "no such publisher that this key may see"),
  "publisher.exists": entry(409, 2, "caller", "the publisher's name is taken"),
  "anchor.unknown": entry(404, 3, "operator", "the trust bundle holds no such key"),
  "artifact.unknown": entry(404, 3, "caller", "no such artifact that this key may see"),
  "artifact.refused": entry(
    502,
    1,
    "operator",
    "bytes, signature, proof or verdict failed where the code would run",
  ),
  "artifact.pending": entry(503, 5, "operator", "no runner has built the artifact yet"),
  "publish.refused": entry(422, 1, "caller", "the publish door refused; the reasons say why"),
  "install.refused": entry(422, 1, "caller", "the install door refused; the reasons say why"),
  "install.unknown": entry(404, 3, "caller", "no such install that this key may see"),
  "install.failed": entry(422, 1, "operator", "no runner could build or load the artifact"),
  "endpoint.unknown": entry(404, 3, "caller", "the extension's manifest has no such endpoint"),
  "verdict.unknown": entry(404, 3, "caller", "no such verdict that this key may see"),
  "execution.unknown": entry(404, 3, "caller", "no such execution that this key may see"),
  "version.exists": entry(409, 1, "caller", "other bytes stand under that version"),
  "blob.unknown": entry(404, 3, "caller", "no such blob in this repository"),
  "manifest.invalid": entry(400, 2, "caller", "the manifest is not one this registry takes"),
  "digest.mismatch": entry(400, 2, "caller", "the bytes do not have the digest they are named by"),
  "upload.unknown": entry(404, 3, "caller", "no such upload session"),
  "upload.range": entry(416, 2, "caller", "the chunk does not follow the last one"),
  "quota.concurrency": entry(429, 5, "caller", "too many calls at once for this install or tenant"),
  "call.halted": entry(503, 5, "operator", "the operator or the tenant has halted it"),
  "fence.unknown": entry(404, 3, "caller", "nothing of that scope and id is stopped"),
  "fence.irreversible": entry(409, 1, "caller", "a revocation stands for good"),
  "fence.full": entry(
    422,
    1,
    "operator",
    "as many revocations and halts stand as there is room for",
  ),
  "fence.target": entry(400, 2, "caller", "the scope does not have ids of that form"),
  "guest.trap": entry(500, 1, "caller", "the extension trapped"),
  "guest.fuel": entry(500, 1, "caller", "the extension used up its fuel"),
  "guest.memory": entry(500, 1, "caller", "the extension went over its memory limit"),
  "guest.response": entry(
    502,
    1,
    "caller",
    "the extension answered with a bad status, header or size",
  ),
  "runner.capacity": entry(503, 5, "operator", "every slot and the queue are full"),
  "runner.lost": entry(
    503,
    5,
    "operator",
    "the sandbox ended during the call, or the runner does not answer",
  ),
  "execute.required": entry(401, 4, "caller", "a runner takes no call without a token"),
  "execute.forged": entry(
    401,
    4,
    "caller",
    "the token is not one of this runner's control, or its proof not of the key that it names",
  ),
  "execute.expired": entry(401, 4, "caller", "the token's time is over, or has not begun"),
  "execute.audience": entry(401, 4, "caller", "the token is for another runner"),
  "execute.boot": entry(401, 5, "caller", "the token is for an earlier start of the runner"),
  "execute.replayed": entry(401, 4, "caller", "the token was used before"),
  "execute.removed": entry(401, 4, "operator", "the edge that calls is no longer enrolled"),
  "execute.body": entry(401, 4, "caller", "the token is for another request body"),
  "execute.handle": entry(
    403,
    4,
    "caller",
    "the handle is of no grant that this runner holds for that tenant and install",
  ),
  "edge.unknown": entry(404, 3, "caller", "no such edge is enrolled"),
  "edge.exists": entry(409, 2, "caller", "an enrolled edge has that name or address"),
  "policy.unavailable": entry(503, 5, "operator", "the edge has no snapshot that is fresh enough"),
  "store.unavailable": entry(503, 5, "operator", "the database does not answer"),
  "deadline.exceeded": entry(504, 5, "caller", "the call took longer than its deadline"),
  "disk.full": entry(
    507,
    5,
    "operator",
    "the disk of control is full: free some space, then ask again",
  ),
  "disk.read-only": entry(503, 5, "operator", "the disk of control cannot be written"),
  "internal.error": entry(500, 6, "us", "an error of ours; the log has it under the request id"),
} as const satisfies Record<string, ErrorEntry>;

export type ErrorCode = keyof typeof errors;

export function isErrorCode(text: string): text is ErrorCode {
  return Object.hasOwn(errors, text);
}
