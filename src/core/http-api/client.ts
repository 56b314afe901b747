import { CodedError } from "#trust";
import type { BodyOf, Operation, ParamsOf, QueryOf, ReplyOf } from "./operation.ts";

/** A refusal by the management API, with the code that it gave. */
export class ApiError extends CodedError<string> {
  override readonly name = "ApiError";
  readonly status: number;
  readonly requestId: string;
  readonly reasons: unknown;

  constructor(code: string, status: number, requestId: string, reasons: unknown, detail: string) {
    super(code, detail);
    this.status = status;
    this.requestId = requestId;
    this.reasons = reasons;
  }
}

export interface ApiAddress {
  readonly url: string;
  readonly key: string;
}

export interface Input<O extends Operation> {
  readonly params?: ParamsOf<O>;
  readonly query?: QueryOf<O>;
  readonly body?: BodyOf<O>;
}

/** Calls one operation. Throws ApiError with the server's code; a server that does not answer throws "control.unreachable". */
export async function call<O extends Operation>(
  address: ApiAddress,
  operation: O,
  input: Input<O> = {},
): Promise<ReplyOf<O>> {
  const response = await send(address, operation, input);
  const text = await response.text();
  const body: unknown = text === "" ? {} : JSON.parse(text);
  if (response.ok) return body as ReplyOf<O>; // the server's reply schema is compared in its own tests
  const problem = body as { code?: string; requestId?: string; reasons?: unknown; detail?: string };
  throw new ApiError(
    problem.code ?? "internal.error",
    response.status,
    problem.requestId ?? "",
    problem.reasons,
    problem.detail ?? response.statusText,
  );
}

async function send<O extends Operation>(
  address: ApiAddress,
  operation: O,
  input: Input<O>,
): Promise<Response> {
  const url = new URL(fillPath(operation.path, input.params ?? {}), address.url);
  for (const [name, value] of Object.entries(input.query ?? {}))
    if (typeof value === "string") url.searchParams.set(name, value);
  const withBody = operation.method === "POST" || operation.method === "PUT";
  try {
    return await fetch(url, {
      method: operation.method,
      redirect: "error",
      headers: {
        authorization: `Bearer ${address.key}`,
        ...(withBody ? { "content-type": "application/json" } : {}),
      },
      ...(withBody ? { body: JSON.stringify(input.body ?? {}) } : {}),
    });
  } catch (cause) {
    throw new ApiError(
      "control.unreachable",
      0,
      "",
      undefined,
      `cannot reach control at ${address.url}: ${String((cause as Error).cause ?? cause)}`,
    );
  }
}

function fillPath(path: string, params: Record<string, string>): string {
  return path.replaceAll(/:([a-z]+)/g, (_, name: string) => encodeURIComponent(params[name] ?? ""));
}
