/** SQLSTATE of a server that goes or comes (PostgreSQL, appendix A), and what connect(2) says where there is none. */
const CODES: readonly string[] = [
  "57P01",
  "57P02",
  "57P03",
  "ECONNREFUSED",
  "ECONNRESET",
  "ENOENT",
  "EPIPE",
];
/** The client says it in words alone, without a code. */
const WORDS =
  /^(?:Connection terminated|timeout exceeded when trying to connect|Client .* not queryable)/;

/** The database is away: its socket is gone, it is shutting down, or it died amid a transaction. Nothing of ours is broken. */
export function isDatabaseAway(error: unknown): boolean {
  if (!(error instanceof Error)) return false;
  return "code" in error ? CODES.includes(String(error.code)) : WORDS.test(error.message);
}
