import { limits, parseExtensionId } from "#contract";

/** The path behind `/api/ext/<extension id>`, decoded once and safe to match; the query as sent. */
export interface ExtensionTarget {
  readonly extension: string;
  /** Decoded segments; none for the empty path. */
  readonly segments: readonly string[];
  /** "/" and the segments: what the guest gets. */
  readonly path: string;
  readonly query: string;
}

const PREFIX = "/api/ext/";
/** Encoded slash, backslash, dot or NUL, and everything raw that two parsers read in two ways. */
// eslint-disable-next-line no-control-regex -- control characters are what is refused
const FORBIDDEN = /%(?:2f|5c|2e|00)|[\\\u0000-\u0020\u007f#]|\/\//i;

/**
 * url: attacker-controlled request target. Null: not under `/api/ext/`. "malformed": over the bound, an encoded
 * separator or dot, a dot segment, or bytes that are not UTF-8 (stops: traversal into another extension or route).
 */
export function parseTarget(url: string): ExtensionTarget | "malformed" | null {
  if (url.length > limits.urlBytes.value) return "malformed";
  if (!url.startsWith(PREFIX))
    return url.includes("\\") || /%2e|%2f|\/\.\.?(?:\/|$)/i.test(url) ? "malformed" : null;
  const mark = url.indexOf("?");
  const raw = mark < 0 ? url.slice(PREFIX.length) : url.slice(PREFIX.length, mark);
  if (FORBIDDEN.test(raw)) return "malformed";
  const slash = raw.indexOf("/");
  const extension = slash < 0 ? raw : raw.slice(0, slash);
  if (parseExtensionId(extension) === null) return "malformed";
  const rest = slash < 0 ? "" : raw.slice(slash + 1);
  const segments = rest === "" ? NO_SEGMENTS : decodeAll(rest.split("/"));
  if (segments === null || segments.some(isDotSegment)) return "malformed";
  return {
    extension,
    segments,
    path: `/${segments.join("/")}`,
    query: mark < 0 ? "" : url.slice(mark + 1),
  };
}

const NO_SEGMENTS: readonly string[] = [];

function decodeAll(segments: readonly string[]): readonly string[] | null {
  if (!segments.some((segment) => segment.includes("%"))) return segments;
  try {
    return segments.map((segment) => decodeURIComponent(segment));
  } catch {
    return null;
  }
}

function isDotSegment(segment: string): boolean {
  return segment === "." || segment === "..";
}
