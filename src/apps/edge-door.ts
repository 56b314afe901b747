import { createServer } from "node:http";
import type { AddressInfo } from "node:net";
import type { ControlApi } from "#api";
import type { Mode } from "./mode.ts";
import { edgeDoorPort } from "./operations.ts";

/** How clients reach control. */
export function publicUrl({ transport, publicHost }: Mode, port: number): string {
  if (transport.kind === "proxy") return `https://${publicHost}`;
  return `${transport.kind === "tls" ? "https" : "http"}://${publicHost}:${port}`;
}

/** Where the edges of this machine reach a control that listens on `port`: past TLS and proxy, on loopback. */
export function localEdgeUrl({ transport }: Mode, port: number): string {
  return `http://127.0.0.1:${transport.kind === "plain" ? port : edgeDoorPort(port)}`;
}

/** Opens that place; in development mode control itself is it. */
export async function openEdgeDoor(
  mode: Mode,
  api: ControlApi,
): Promise<AsyncDisposable & { readonly url: string }> {
  if (mode.transport.kind === "plain")
    return { url: localEdgeUrl(mode, api.port), [Symbol.asyncDispose]: () => Promise.resolve() };
  const server = createServer(api.route);
  await new Promise<void>((resolve, reject) =>
    server.once("error", reject).listen(edgeDoorPort(api.port), "127.0.0.1", resolve),
  );
  const { port } = server.address() as AddressInfo; // listening on TCP
  return {
    url: `http://127.0.0.1:${port}`,
    async [Symbol.asyncDispose]() {
      // No new ones first: an edge that lost its stream comes back at once.
      const closed = new Promise((resolve) => server.close(resolve));
      server.closeAllConnections();
      await closed;
    },
  };
}
