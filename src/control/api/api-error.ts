import { CodedError } from "#trust";
import { errors, isErrorCode } from "#contract";
import type { ErrorCode } from "#contract";
import { RefusedError } from "#registry";
import { isDatabaseAway } from "#store";

export class ApiRefusal extends CodedError<ErrorCode> {
  override readonly name = "ApiRefusal";
}

export interface Problem {
  readonly status: number;
  readonly body: {
    type: "about:blank";
    title: string;
    status: number;
    code: ErrorCode;
    requestId: string;
    detail?: string;
    reasons?: unknown;
  };
}

/** What a caller sees of an error (RFC 9457): code, message and request id; never a stack, never an inner error's text. */
export function problemOf(error: unknown, requestId: string): Problem {
  const code = codeOf(error);
  const { http, meaning } = errors[code];
  const detail =
    code === "internal.error" || !(error instanceof CodedError) ? meaning : error.message;
  const reasons = error instanceof RefusedError ? { reasons: error.verdict.reasons } : {};
  return {
    status: http,
    body: {
      type: "about:blank",
      title: meaning,
      status: http,
      code,
      requestId,
      detail,
      ...reasons,
    },
  };
}

function codeOf(error: unknown): ErrorCode {
  if (error instanceof CodedError)
    return isErrorCode(error.code) ? error.code : "request.malformed";
  const disk = diskCode(error);
  if (disk !== null) return disk;
  const status = error instanceof Error && "statusCode" in error ? error.statusCode : 500;
  if (status === 413) return "request.too_large";
  if (isDatabaseAway(error)) return "store.unavailable";
  return typeof status === "number" && status >= 400 && status < 500
    ? "request.malformed"
    : "internal.error";
}

/** Of what the file system threw, or of what was thrown for it. */
function diskCode(error: unknown): ErrorCode | null {
  for (let at = error; at instanceof Error; at = at.cause) {
    const { code } = at as NodeJS.ErrnoException;
    if (code === "ENOSPC" || code === "EDQUOT") return "disk.full";
    if (code === "EROFS") return "disk.read-only";
  }
  return null;
}
