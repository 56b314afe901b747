import { OutgoingBody } from "caisson:ext/types@1.0.0";

/** The smallest extension in JavaScript: what the tiny one answers, by a fresh engine per call. */
export const handler = {
  handle() {
    const body = new OutgoingBody();
    body.write(new TextEncoder().encode("hello\n"));
    return { status: 200, headers: [{ name: "content-type", value: "text/plain" }], body };
  },
};
