// Answers a runner that tries two fresh instances before a version is admitted: what this instance draws, by source.
import { OutgoingBody } from "caisson:ext/types@1.0.0";

/** No endpoint can name it: see docs/authoring.md. `adapter.wat` knows it as well. */
export const SAMPLE_METHOD = "CAISSON-SAMPLE";

export function sample() {
  const drawn = {
    random: String(Math.random()),
    uuid: crypto.randomUUID(),
    bytes: Array.from(crypto.getRandomValues(new Uint8Array(16))).join("-"),
    time: String(Date.now()),
  };
  const body = new OutgoingBody();
  body.write(new TextEncoder().encode(JSON.stringify(drawn)));
  return {
    status: 200,
    headers: [{ name: "content-type", value: "application/vnd.caisson.sample.v1+json" }],
    body,
  };
}
