import { createServer as createPlain } from "node:http";
import type { RequestListener, Server, ServerOptions } from "node:http";
import { createServer as createTls } from "node:https";
import { isIPv6 } from "node:net";
import type { BlockList, Socket } from "node:net";
import { unwatchFile, watchFile } from "node:fs";
import type { Log } from "#platform";
import { readPair } from "./mode.ts";
import type { Mode } from "./mode.ts";

const CERT_LOOK_MS = 5_000;

/** A server for clients as the mode wants it: plain, with TLS, or for a proxy's connections alone. */
export function publicServer(
  mode: Mode,
  options: ServerOptions,
  listener: RequestListener,
): Server {
  const { transport } = mode;
  if (transport.kind === "tls")
    return createTls({ ...options, ...transport.pair, minVersion: "TLSv1.2" }, listener);
  const server = createPlain(options, listener);
  if (transport.kind === "proxy") onlyFrom(server, transport.peers);
  return server;
}

/** Whoever is neither the proxy nor on this machine gets no answer. */
function onlyFrom(server: Server, peers: readonly BlockList[]): void {
  server.on("connection", (socket: Socket) => {
    const address = (socket.remoteAddress ?? "").replace(/^::ffff:/, "");
    const local = address === "127.0.0.1" || address === "::1";
    const family = isIPv6(address) ? "ipv6" : "ipv4";
    if (!local && !peers.some((peer) => peer.check(address, family))) socket.destroy();
  });
}

/** Takes a renewed certificate from its files; a pair that does not hold is told, and the old one stays. */
export function followCertificate(mode: Mode, server: Server, log: Log): Disposable {
  const { transport, publicHost: host } = mode;
  if (transport.kind !== "tls") return { [Symbol.dispose]: () => {} };
  return followPair({ ...transport, host }, server, log);
}

/** The same of a server that has its own files. */
export function followPair(
  files: { readonly certFile: string; readonly keyFile: string; readonly host: string | null },
  server: Server,
  log: Log,
): Disposable {
  const { certFile, keyFile, host } = files;
  const take = () => {
    const pair = readPair(certFile, keyFile, host, new Date());
    if (typeof pair === "string") return log.error("certificate.refused", { reason: pair });
    if ("setSecureContext" in server && typeof server.setSecureContext === "function") {
      server.setSecureContext(pair); // node:tls Server, which createTls made
      log.info("certificate.taken");
    }
  };
  watchFile(certFile, { interval: CERT_LOOK_MS }, take);
  return { [Symbol.dispose]: () => unwatchFile(certFile, take) };
}
