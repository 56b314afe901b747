import { write } from "caisson:ext/log@1.0.0";
import { OutgoingBody } from "caisson:ext/types@1.0.0";

const MAX_ECHO_BYTES = 1_048_576;

export const handler = {
  handle(request) {
    if (request.path === "/echo") return answer(request.body.readAll(MAX_ECHO_BYTES));
    const name = request.params.find(([key]) => key === "name")?.[1] ?? "world";
    write("info", `greeting ${name}`);
    return answer(new TextEncoder().encode(`Hello, ${name}, from a proven extension.\n`));
  },
};

function answer(bytes) {
  const body = new OutgoingBody();
  body.write(bytes);
  return { status: 200, headers: [{ name: "content-type", value: "text/plain; charset=utf-8" }], body };
}
