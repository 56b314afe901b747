// What a draft exports: the handler of the world itself.
import { guarded } from "caisson-kit:report.js";
import { sample, SAMPLE_METHOD } from "caisson-kit:sample.js";

export function exported(handler, write, lines) {
  const run = guarded(handler, write, lines);
  return { handle: (request) => (request.method === SAMPLE_METHOD ? sample() : run(request)) };
}
