import { idsOf, SELF_CHECK_EVERY_MS } from "#contract";
import type { ProcessName, SelfCheck, SelfCheckId, SelfCheckState } from "#contract";
import type { Clock } from "#platform";

/** A report that is older says nothing any more: whoever made it may be gone. */
const REPORT_VALID_MS = 3 * SELF_CHECK_EVERY_MS;
const REPORTERS: readonly ProcessName[] = ["control", "gateway", "runner", "broker"];

/** What a check of one process came to. */
export interface CheckView {
  readonly id: SelfCheckId;
  readonly process: ProcessName;
  readonly state: SelfCheckState;
  readonly detail: string;
  /** When it was reported; null: never heard. */
  readonly at: Date | null;
}

interface Report {
  readonly process: ProcessName;
  readonly at: Date;
  readonly checks: readonly SelfCheck[];
}

/** The newest report of each reporter: control itself, and every edge under its own id. */
export class SelfChecks {
  readonly #clock: Clock;
  readonly #reports = new Map<string, Report>();

  constructor(clock: Clock) {
    this.#clock = clock;
  }

  /** reporter: authenticated; its former report is forgotten. */
  report(reporter: string, process: ProcessName, checks: readonly SelfCheck[]): void {
    this.#reports.set(reporter, { process, checks, at: this.#clock.now() });
  }

  /** Every check of every process: what was not heard, or not lately, is off. */
  all(): CheckView[] {
    return REPORTERS.flatMap((process) => {
      const reports = [...this.#reports.values()].filter((report) => report.process === process);
      return reports.length === 0
        ? idsOf(process).map((id) => this.#view(process, id, null))
        : reports.flatMap((report) => idsOf(process).map((id) => this.#view(process, id, report)));
    });
  }

  #view(process: ProcessName, id: SelfCheckId, report: Report | null): CheckView {
    const silence = (detail: string): CheckView => ({
      id,
      process,
      state: "off",
      detail,
      at: report?.at ?? null,
    });
    if (report === null) return silence(`no ${process} has reported`);
    const ageMs = this.#clock.now().getTime() - report.at.getTime();
    if (ageMs > REPORT_VALID_MS) return silence(`the ${process} was not heard of lately`);
    const check = report.checks.find((one) => one.id === id);
    if (check === undefined) return silence(`the ${process} did not report it`);
    return { id, process, state: check.state, detail: check.detail, at: report.at };
  }
}
