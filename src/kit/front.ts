import { createServer, request as httpRequest } from "node:http";
import type { IncomingMessage, Server, ServerResponse } from "node:http";
import type { AddressInfo } from "node:net";
import { KitError } from "./kit-error.ts";
import type { LocalEdge } from "./local-edge.ts";

const HOSTS = ["127.0.0.1", "localhost"];
const MAX_PROBLEM_BYTES = 64 << 10;

export interface FrontCall {
  readonly method: string;
  /** As the caller sent it; attacker-controlled. */
  readonly path: string;
  readonly status: number;
  /** The error code of a call that did not end well; else empty. */
  readonly code: string;
  readonly ms: number;
}

/** An address on loopback where an extension's own paths stand, without a key: each call goes to the gateway with the key of this run. */
export class Front implements AsyncDisposable {
  readonly #server: Server;
  readonly #edge: LocalEdge;
  readonly #onCall: (call: FrontCall) => void;

  private constructor(edge: LocalEdge, onCall: (call: FrontCall) => void) {
    this.#edge = edge;
    this.#onCall = onCall;
    this.#server = createServer((request, response) => this.#answer(request, response));
  }

  /** port: 0 for any. Throws KitError "local.failed" where it is taken. */
  static async listen(
    edge: LocalEdge,
    port: number,
    onCall: (call: FrontCall) => void,
  ): Promise<Front> {
    const front = new Front(edge, onCall);
    await new Promise<void>((resolve, reject) =>
      front.#server.once("error", reject).listen(port, "127.0.0.1", resolve),
    ).catch((cause: unknown) => {
      throw new KitError("local.failed", `cannot listen on 127.0.0.1:${port}: name another port`, {
        cause,
      });
    });
    return front;
  }

  get url(): string {
    const { port } = this.#server.address() as AddressInfo; // listening on TCP
    return `http://127.0.0.1:${port}`;
  }

  #answer(request: IncomingMessage, response: ServerResponse): void {
    const { serving, gatewayPort, apiKey } = this.#edge;
    const from = performance.now();
    const done = (status: number, code: string) =>
      this.#onCall({
        method: request.method ?? "",
        path: request.url ?? "",
        status,
        code,
        ms: Math.round((performance.now() - from) * 10) / 10,
      });
    // Stops: a page that has its own name resolve to this machine.
    if (!HOSTS.includes((request.headers.host ?? "").replace(/:\d+$/, "")))
      return void response.writeHead(421).end();
    if (serving === null) {
      response.writeHead(503, { "content-type": "text/plain" }).end("no build yet\n");
      return done(503, "no build yet");
    }
    const {
      host: _host,
      connection: _connection,
      authorization: _own,
      ...headers
    } = request.headers;
    const sent = httpRequest(
      {
        host: "127.0.0.1",
        port: gatewayPort,
        method: request.method,
        path: `/api/ext/${serving.publisher}.${serving.name}${request.url ?? "/"}`,
        headers: { ...headers, authorization: `Bearer ${apiKey}` },
      },
      (answer) => {
        const status = answer.statusCode ?? 0;
        const isProblem = status >= 400 && answer.headers["content-type"] === "application/json";
        response.writeHead(status, answer.headers);
        let problem = "";
        answer.on("data", (chunk: Buffer) => {
          if (isProblem && problem.length < MAX_PROBLEM_BYTES) problem += chunk.toString("utf8");
        });
        answer.pipe(response);
        answer.on("end", () => done(status, codeOf(problem)));
      },
    );
    sent.on("error", () => {
      if (response.headersSent) response.destroy();
      else response.writeHead(502).end();
      done(502, "the gateway did not answer");
    });
    response.on("close", () => sent.destroy());
    request.pipe(sent);
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await new Promise((resolve) => {
      this.#server.close(resolve);
      this.#server.closeAllConnections();
    });
  }
}

function codeOf(problem: string): string {
  return /"code":"([a-z_.]{1,64})"/.exec(problem)?.[1] ?? "";
}
