import { quote } from "./coded-error.ts";
import { TrustError } from "./trust-error.ts";

const INSTANT = /^\d{4}-\d{2}-\d{2}T\d{2}:\d{2}:\d{2}(?:\.\d{3})?Z$/;

/** Reads RFC 3339 in UTC with seconds or milliseconds; 30 February is refused. Throws TrustError "instant.malformed". */
export function parseInstant(text: string): Date {
  const date = new Date(INSTANT.test(text) ? text : Number.NaN);
  const full = text.length === 20 ? `${text.slice(0, 19)}.000Z` : text;
  if (Number.isNaN(date.getTime()) || date.toISOString() !== full)
    throw new TrustError(
      "instant.malformed",
      `cannot read time ${quote(text)}: wanted RFC 3339 in UTC, such as "2026-01-02T03:04:05Z"`,
    );
  return date;
}

/** Writes RFC 3339 in UTC with milliseconds. Throws TrustError "clock.invalid" for an invalid date. */
export function formatInstant(date: Date): string {
  instantMs(date);
  return date.toISOString();
}

/** Milliseconds since 1970; an invalid date is a broken clock, and no window may pass on it ("clock.invalid"). */
export function instantMs(date: Date): number {
  const ms = date.getTime();
  if (!Number.isFinite(ms))
    throw new TrustError(
      "clock.invalid",
      "cannot judge a time window: the clock gave no valid time",
    );
  return ms;
}
