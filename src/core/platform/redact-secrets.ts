/** A line without any of these holds nothing that looks like a secret. */
const SUSPECT = /cs[ke]_|eyJ|A[KS]IA|-----BEGIN|aws_secret|authorization|bearer/i;
const KEY_BEGIN = /-----BEGIN [A-Z ]{0,30}PRIVATE KEY-----/g;
const KEY_END = /-----END [A-Z ]{0,30}PRIVATE KEY-----/g;
/** Bounded or one class a time, so that no text costs more than its length. */
const API_KEY = /cs[ke]_[A-Za-z0-9_-]{43}/g;
const AWS_ID = /\bA[KS]IA[A-Z0-9]{16}\b/g;
const AWS_SECRET = /(aws_secret_access_key["']?[ \t]{0,8}[:=][ \t]{0,8}["']?)[A-Za-z0-9/+]{40}/gi;
const AUTHORIZATION =
  /(authorization["']?[ \t]{0,8}[:=][ \t]{0,8}["']?(?:bearer|basic|token|digest)[ \t]{1,8})[^\s"',;]{1,8192}/gi;
const BEARER = /(\bbearer[ \t]{1,8})([A-Za-z0-9._~+/=-]{20,8192})/gi;
const RUN = /[A-Za-z0-9_.-]{40,}/g;

/**
 * The text with `[redacted:<kind>]` in place of what looks like a secret: our API keys and edge tokens, credentials of an
 * authorization header, PEM private keys, JSON web tokens, AWS keys. text: attacker-controlled, any length; the time is
 * linear in it.
 */
export function redactSecrets(text: string): string {
  if (!SUSPECT.test(text)) return text;
  return withoutPrivateKeys(text)
    .replace(AUTHORIZATION, "$1[redacted:credential]")
    .replace(BEARER, (all, start: string, token: string) =>
      /\d/.test(token) ? `${start}[redacted:credential]` : all,
    )
    .replace(API_KEY, "[redacted:api-key]")
    .replace(AWS_ID, "[redacted:aws-key]")
    .replace(AWS_SECRET, "$1[redacted:aws-key]")
    .replace(RUN, withoutTokens);
}

/** From the first line of a key to its last; to the text's end where that is cut off. */
function withoutPrivateKeys(text: string): string {
  if (!text.includes("PRIVATE KEY-----")) return text;
  let [kept, at] = ["", 0];
  for (const begin of text.matchAll(KEY_BEGIN)) {
    if (begin.index < at) continue;
    KEY_END.lastIndex = begin.index;
    const end = KEY_END.exec(text);
    kept += `${text.slice(at, begin.index)}[redacted:private-key]`;
    at = end === null ? text.length : end.index + end[0].length;
  }
  return kept + text.slice(at);
}

/** run: of the characters of a JSON web token. Header and payload are JSON objects, so both begin with `{"` in base64url. */
function withoutTokens(run: string): string {
  if (!run.includes("eyJ")) return run;
  const parts = run.split(".");
  const kept: string[] = [];
  for (let i = 0; i < parts.length; i++) {
    const isToken = [parts[i], parts[i + 1]].every((part) => /^eyJ[\w-]{8}/.test(part ?? ""));
    if (isToken && (parts[i + 2] ?? "").length >= 16) {
      kept.push("[redacted:jwt]");
      i += 2;
    } else kept.push(parts[i] ?? "");
  }
  return kept.join(".");
}
