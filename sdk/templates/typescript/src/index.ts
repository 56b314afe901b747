import { write } from "caisson:ext/log@1.0.0";
import { OutgoingBody } from "caisson:ext/types@1.0.0";
import type { Request, Response } from "caisson:ext/types@1.0.0";

export const handler = {
  handle(request: Request): Response {
    write("info", `${request.method} ${request.path}`);
    const body = new OutgoingBody();
    body.write(new TextEncoder().encode("Hello from TypeScript.\n"));
    return { status: 200, headers: [{ name: "content-type", value: "text/plain; charset=utf-8" }], body };
  },
};
