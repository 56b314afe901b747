export type LogFields = Readonly<Record<string, string | number | boolean | null>>;

export interface Log {
  info(event: string, fields?: LogFields): void;
  warn(event: string, fields?: LogFields): void;
  error(event: string, fields?: LogFields): void;
}

/** One JSON object per line on standard error. */
export function jsonLog(
  process_: string,
  write: (line: string) => void = (line) => void process.stderr.write(line),
): Log {
  const at =
    (level: string) =>
    (event: string, fields: LogFields = {}) =>
      write(
        `${JSON.stringify({ at: new Date().toISOString(), level, process: process_, event, ...fields })}\n`,
      );
  return { info: at("info"), warn: at("warn"), error: at("error") };
}
