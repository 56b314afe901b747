import { randomUUID } from "node:crypto";
import { readFile } from "node:fs/promises";
import { request } from "node:https";
import { buffer } from "node:stream/consumers";
import {
  bodyClaim,
  EXECUTE_PATH,
  EXECUTE_TYPE,
  executeCallBytes,
  FrameDecoder,
  frameTypes,
  limits,
  readResponse,
  readResult,
} from "#contract";
import type { CallResult } from "#contract";
import { call, operations } from "#http-api";
import type { ApiAddress } from "#http-api";
import { CliError } from "./cli-error.ts";
import { printable } from "./output.ts";
import { tenantOf } from "./profile.ts";

export interface AtRunner {
  /** Name or id of the runner. */
  readonly runner: string;
  readonly extension: string;
  readonly path: string;
  readonly tenant: string | undefined;
  /** PEM file of the authorities of the runner's certificate; null: the well-known ones. */
  readonly ca: string | null;
  readonly method: string;
  readonly data: Uint8Array;
}

const STATUS = 200;

/** An operator's own call to a runner, past every gateway: control gives a token for this one request. Prints what the extension answers. */
export async function invokeAtRunner(api: ApiAddress, asked: AtRunner): Promise<void> {
  const { items } = await call(api, operations.edgeList);
  const found = items.find(({ edge }) => edge.name === asked.runner || edge.id === asked.runner);
  if (found === undefined || found.edge.url === null)
    throw new CliError("usage", `cannot find a runner with an address named ${asked.runner}`);
  const { url } = found.edge;
  const ca = asked.ca === null ? undefined : await readFile(asked.ca, "utf8");
  const { boot } = JSON.parse((await send({ url, ca })).body.toString()) as { boot: string };
  const body = await bodyOf(api, asked);
  const { token } = await call(api, operations.executeToken, {
    body: { runner: asked.runner, boot, body: bodyClaim(body) },
  });
  print(await send({ url, ca, token, body }));
}

async function bodyOf(api: ApiAddress, asked: AtRunner): Promise<Buffer> {
  const tenant = await tenantOf(api, asked.tenant);
  const { extension, method, data } = asked;
  const { id, handle } = await call(api, operations.installShow, {
    params: { tenant, extension },
  });
  const target = new URL(asked.path, "http://extension");
  const head = {
    execution: randomUUID(),
    tenant,
    install: id,
    extension,
    handle,
    principal: "operator",
    method,
    path: decodeURIComponent(target.pathname),
    query: target.search.slice(1),
    deadlineMicros: limits.callDeadlineMs.value * 1_000,
    headers: [],
  };
  return executeCallBytes(head, data);
}

interface Answer {
  readonly status: number;
  readonly requestId: string;
  readonly body: Buffer;
}

async function send(to: {
  readonly url: string;
  readonly ca: string | undefined;
  readonly token?: string;
  readonly body?: Buffer;
}): Promise<Answer> {
  const { token, body } = to;
  const headers =
    token === undefined
      ? {}
      : {
          authorization: `Bearer ${token}`,
          "content-type": EXECUTE_TYPE,
          "content-length": body?.length ?? 0,
        };
  return new Promise((resolve, reject) => {
    const refuse = (cause: Error) =>
      reject(
        new CliError(
          "runner.unreachable",
          `cannot reach the runner at ${to.url}: ${cause.message}`,
          {
            cause,
          },
        ),
      );
    const sent = request(
      new URL(EXECUTE_PATH, to.url),
      {
        method: token === undefined ? "GET" : "POST",
        agent: false,
        headers,
        ...(to.ca === undefined ? {} : { ca: to.ca }),
      },
      (response) => {
        const requestId = String(response.headers["x-request-id"] ?? "");
        const status = response.statusCode ?? 0;
        buffer(response).then((bytes) => resolve({ status, requestId, body: bytes }), refuse);
      },
    );
    sent.once("error", refuse);
    sent.end(body);
  });
}

/** As `invoke` does: status and request id to standard error, the body to standard output. */
function print({ status, requestId, body }: Answer): void {
  if (status !== STATUS) return printRefusal(status, requestId, body.toString("utf8"));
  let result: CallResult | null = null;
  const decoder = new FrameDecoder((type, _flags, _stream, bytes, start, end) => {
    if (type === frameTypes.response)
      process.stderr.write(`${readResponse(bytes, start, end).status} request ${requestId}\n`);
    else if (type === frameTypes.data)
      process.stdout.write(Buffer.from(bytes.subarray(start, end)));
    else if (type === frameTypes.result) result = readResult(bytes, start, end);
  });
  decoder.push(body);
  const { outcome, code } = (result ?? { outcome: "lost", code: "runner.lost" }) as CallResult;
  if (outcome === "done") return;
  printRefusal(0, requestId, `${outcome} ${code}`);
}

function printRefusal(status: number, requestId: string, text: string): void {
  process.stderr.write(`${status} request ${requestId}\n${printable(text)}\n`);
  process.exitCode = 1;
}
