// What a release exports to the adapter that is merged into its module (`adapter.wat`).
import { nowCalled } from "caisson-kit:inside-text.js";
import { guarded } from "caisson-kit:report.js";
import { nextRequest } from "caisson-kit:request.js";
import { sample } from "caisson-kit:sample.js";

export function exported(handler, write, lines) {
  const run = guarded(handler, write, lines);
  return {
    answer: (isSample) => {
      nowCalled();
      return isSample ? sample() : run(nextRequest());
    },
  };
}
