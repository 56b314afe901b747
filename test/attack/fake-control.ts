import { createServer } from "node:http";
import type { AddressInfo } from "node:net";

/** Whoever answers for control on the line to an edge: it can replay what control signed, and sign nothing. */
export interface FakeControl extends AsyncDisposable {
  readonly url: string;
  /** Resolves when an edge was sent the document. */
  readonly sent: Promise<void>;
}

export async function startFakeControl(
  document: Uint8Array,
  kind: "snapshot" | "fence" = "snapshot",
): Promise<FakeControl> {
  const sent = Promise.withResolvers<void>();
  const server = createServer((request, response) => {
    const line = { kind, document: Buffer.from(document).toString("base64") };
    if (request.url === (kind === "fence" ? "/v1/edge/fence" : "/v1/edge/stream")) {
      response.writeHead(200, { "content-type": "application/x-ndjson" });
      response.write(`${JSON.stringify(line)}\n`, () => sent.resolve());
    } else response.end("{}");
  });
  await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve));
  const { port } = server.address() as AddressInfo; // listening on TCP
  return {
    url: `http://127.0.0.1:${port}`,
    sent: sent.promise,
    [Symbol.asyncDispose]: () =>
      new Promise((resolve) => {
        server.close(() => resolve());
        server.closeAllConnections();
      }),
  };
}
