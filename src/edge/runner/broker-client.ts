import { readFileSync } from "node:fs";
import { request } from "node:http";
import { BROKER_DEADLINE_HEADER, brokerCallBytes, fetchReplyBytes, frameBounds } from "#contract";
import type { BrokerCall, OutsideCapability } from "#contract";

export interface BrokerPlace {
  readonly socketPath: string;
  /** Written by the broker when it serves; a new broker has a new secret. */
  readonly secretPath: string;
}

/** The reply's bytes, as the broker gives them; a broker that is away is a failed call, never a pass. */
export async function askBroker(
  place: BrokerPlace,
  capability: OutsideCapability,
  call: BrokerCall & { readonly deadlineMicros: number },
  signal: AbortSignal,
): Promise<Uint8Array> {
  try {
    return await send(place, capability, call, signal);
  } catch {
    return fetchReplyBytes({ failure: "failed", message: "the broker is away" });
  }
}

function send(
  place: BrokerPlace,
  capability: OutsideCapability,
  call: BrokerCall & { readonly deadlineMicros: number },
  signal: AbortSignal,
): Promise<Uint8Array> {
  const secret = readFileSync(place.secretPath, "latin1").trim();
  return new Promise((resolve, reject) => {
    const sent = request(
      {
        socketPath: place.socketPath,
        path: `/v1/capability/${capability}`,
        method: "POST",
        headers: {
          authorization: `Bearer ${secret}`,
          [BROKER_DEADLINE_HEADER]: String(Math.max(1, call.deadlineMicros)),
        },
        signal,
      },
      (response) => {
        const chunks: Buffer[] = [];
        let size = 0;
        response.on("data", (chunk: Buffer) => {
          size += chunk.length;
          if (size > frameBounds.argumentBytes) response.destroy(new Error("too large a reply"));
          else chunks.push(chunk);
        });
        response.on("error", reject);
        response.on("end", () =>
          response.statusCode === 200
            ? resolve(Buffer.concat(chunks))
            : reject(new Error(`the broker answered ${response.statusCode}`)),
        );
      },
    );
    sent.on("error", reject);
    sent.end(brokerCallBytes(call));
  });
}
