import { CodedError } from "../../src/core/trust/index.ts";

/** The code that `run` is refused with; "accepted" when it returns, and any uncoded error goes through. */
export function refusal(run: () => unknown): string {
  try {
    run();
    return "accepted";
  } catch (error) {
    if (error instanceof CodedError) return error.code;
    throw error;
  }
}
