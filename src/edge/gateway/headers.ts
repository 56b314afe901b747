import { limits } from "#contract";

type HeaderLine = readonly [name: string, value: string];

const TO_GUEST = new Set([
  "x-request-id",
  "accept",
  "accept-encoding",
  "content-type",
  "user-agent",
  "idempotency-key",
]);
const FROM_GUEST = new Set(["content-type", "etag"]);
const EXTENSION_HEADER = /^x-ext-[a-z0-9-]{1,60}$/;
const PRIVATE_CACHE = /^private(?:,\s*(?:max-age=\d{1,9}|must-revalidate|no-cache))*$/;
// eslint-disable-next-line no-control-regex -- control characters are what is refused
const VALUE = /^[\t\u0020-\u007e\u0080-\u00ff]*$/;

/** True where count or bytes pass the bound. raw: Node's flat list of names and values, attacker-controlled. */
export function headersTooLarge(raw: readonly string[]): boolean {
  if (raw.length / 2 > limits.headerCount.value) return true;
  let bytes = 0;
  for (const part of raw) bytes += part.length + 2;
  return bytes > limits.headerBytes.value;
}

/** What the gateway itself looks at. Of a repeated name: the first, for the key all of them together, which is then none. */
export interface RequestHead {
  readonly authorization: string | null;
  readonly apiKey: string | null;
  readonly contentLength: string | null;
  readonly transferEncoding: string | null;
}

/** One walk instead of the object of all headers, which Node makes when it is asked for. */
export function requestHead(raw: readonly string[]): RequestHead {
  let authorization: string | null = null;
  let apiKey: string | null = null;
  let contentLength: string | null = null;
  let transferEncoding: string | null = null;
  for (let i = 0; i + 1 < raw.length; i += 2) {
    const name = raw[i] ?? "";
    const value = raw[i + 1] ?? "";
    switch (name.length) {
      case "x-api-key".length:
        if (name.toLowerCase() === "x-api-key")
          apiKey = apiKey === null ? value : `${apiKey}, ${value}`;
        break;
      case "authorization".length:
        if (name.toLowerCase() === "authorization") authorization ??= value;
        break;
      case "content-length".length:
        if (name.toLowerCase() === "content-length") contentLength ??= value;
        break;
      case "transfer-encoding".length:
        if (name.toLowerCase() === "transfer-encoding") transferEncoding ??= value;
        break;
    }
  }
  return { authorization, apiKey, contentLength, transferEncoding };
}

/** What a guest gets: the allow-list, in the order sent, repeated names kept; never authorization or cookies. */
export function requestHeaders(raw: readonly string[]): HeaderLine[] {
  const lines: HeaderLine[] = [];
  for (let i = 0; i + 1 < raw.length; i += 2) {
    const name = (raw[i] ?? "").toLowerCase();
    if (name !== "x-request-id" && (TO_GUEST.has(name) || EXTENSION_HEADER.test(name)))
      lines.push([name, raw[i + 1] ?? ""]);
  }
  return lines;
}

/** What a client gets of a guest's headers; null where a value could split the answer. */
export function responseHeaders(lines: readonly HeaderLine[]): string[] | null {
  const out: string[] = [];
  let cache = "no-store";
  for (const [name, value] of lines) {
    if (!VALUE.test(value)) return null;
    if (name === "cache-control" && PRIVATE_CACHE.test(value)) cache = value;
    else if (FROM_GUEST.has(name) || EXTENSION_HEADER.test(name)) out.push(name, value);
  }
  out.push("cache-control", cache, "x-content-type-options", "nosniff");
  return out;
}
