import { readFile } from "node:fs/promises";
import { join } from "node:path";
import type { FastifyInstance } from "fastify";
import { ApiRefusal } from "./api-error.ts";

/** checkpoint, tile/<level>/<index>[.p/<width>], tile/entries/… (C2SP tlog-tiles); nothing else is a path. */
const FILE = /^(?:checkpoint|tile\/(?:\d{1,2}|entries)\/(?:x\d{3}\/){0,5}\d{3}(?:\.p\/\d{1,3})?)$/;

/** The artifact log is public: whoever verifies it needs no key. */
export function serveLogFiles(app: FastifyInstance, folder: string): void {
  app.get<{ Params: { "*": string } }>("/log/artifacts/*", async (request, reply) => {
    const path = request.params["*"];
    const bytes = FILE.test(path) ? await readFile(join(folder, path)).catch(() => null) : null;
    if (bytes === null) throw new ApiRefusal("route.unknown", "cannot find that file of the log");
    return reply.header("content-type", "application/octet-stream").send(bytes);
  });
}
