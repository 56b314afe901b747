import type { Log, LogFields } from "./log.ts";

/**
 * A log that whoever sends requests cannot flood: at most `perSecond` lines a second; what is over that is counted
 * (`onDropped`, once per line) and told in one line when the second is over.
 */
export function ratedLog(
  log: Log,
  { perSecond, onDropped }: { readonly perSecond: number; readonly onDropped: () => void },
): Log {
  let [second, written, dropped] = [0, 0, 0];
  const mayWrite = (): boolean => {
    const now = Math.floor(Date.now() / 1_000);
    if (now !== second) {
      if (dropped > 0) log.warn("log.dropped", { lines: dropped });
      [second, written, dropped] = [now, 0, 0];
    }
    if (written < perSecond) {
      written += 1;
      return true;
    }
    dropped += 1;
    onDropped();
    return false;
  };
  const rated = (level: keyof Log) => (event: string, fields?: LogFields) => {
    if (mayWrite()) log[level](event, fields);
  };
  return { info: rated("info"), warn: rated("warn"), error: rated("error") };
}
