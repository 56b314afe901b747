import { redactSecrets } from "./redact-secrets.ts";

export type LogFields = Readonly<Record<string, string | number | boolean | null>>;

export interface Log {
  info(event: string, fields?: LogFields): void;
  warn(event: string, fields?: LogFields): void;
  error(event: string, fields?: LogFields): void;
}

/** One JSON object per line on standard error; of what looks like a secret only the kind. */
export function jsonLog(
  process_: string,
  write: (line: string) => void = (line) => void process.stderr.write(line),
): Log {
  const at =
    (level: string) =>
    (event: string, fields: LogFields = {}) =>
      write(
        `${JSON.stringify({ at: new Date().toISOString(), level, process: process_, event, ...redacted(fields) })}\n`,
      );
  return { info: at("info"), warn: at("warn"), error: at("error") };
}

function redacted(fields: LogFields): LogFields {
  const entries = Object.entries(fields).map(([name, value]) => [
    name,
    typeof value === "string" ? redactSecrets(value) : value,
  ]);
  return Object.fromEntries(entries) as LogFields; // the same names, texts for texts
}
