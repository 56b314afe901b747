import type { FastifyInstance, FastifyReply } from "fastify";
import { POSTURE_CSS, posturePage } from "#posture";
import type { PostureDesk } from "#posture";

/** No script, no frame, nothing from elsewhere. */
const CONTENT_POLICY =
  "default-src 'none'; style-src 'self'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'";

/** The page on which Caisson says how far it may be relied on; open to all who reach control, as docs/claims.md is. */
export function servePosture(app: FastifyInstance, desk: PostureDesk): void {
  app.get("/", async (_request, reply) => reply.redirect("/posture", 302));
  app.get("/posture", async (_request, reply) =>
    guarded(reply, "text/html; charset=utf-8").send(posturePage(desk.look())),
  );
  app.get("/posture.css", async (_request, reply) =>
    guarded(reply, "text/css; charset=utf-8").send(POSTURE_CSS),
  );
}

function guarded(reply: FastifyReply, type: string): FastifyReply {
  return reply
    .header("content-type", type)
    .header("content-security-policy", CONTENT_POLICY)
    .header("x-content-type-options", "nosniff")
    .header("referrer-policy", "no-referrer")
    .header("cache-control", "no-store");
}
