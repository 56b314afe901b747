import { once } from "node:events";
import { readFile } from "node:fs/promises";
import { request } from "node:http";
import type { IncomingMessage } from "node:http";
import { BROKER_DEADLINE_HEADER, brokerCallBytes, failureBytes, frameBounds } from "#contract";
import type { BrokerCall, OutsideCapability } from "#contract";
import { readBounded } from "#platform";

interface BrokerPlace {
  readonly socketPath: string;
  /** Written by the broker when it serves; a new broker has a new secret. */
  readonly secretPath: string;
}

type Asked = BrokerCall & { readonly deadlineMicros: number };

class NotTheSecret extends Error {}

/** The runner's line to the broker of its machine. */
export class BrokerClient {
  readonly #place: BrokerPlace;
  /** Read when it is first needed, and again when the broker does not know it: it is another one then. */
  #secret: string | null = null;

  constructor(place: BrokerPlace) {
    this.#place = place;
  }

  /** The reply's bytes, as the broker gives them; a broker that is away is a failed call, never a pass. */
  async ask(capability: OutsideCapability, call: Asked, signal: AbortSignal): Promise<Uint8Array> {
    try {
      return await this.#send(capability, call, signal).catch((error: unknown) => {
        if (!(error instanceof NotTheSecret)) throw error;
        this.#secret = null;
        return this.#send(capability, call, signal);
      });
    } catch {
      return failureBytes("failed", "the broker is away");
    }
  }

  async #send(capability: OutsideCapability, call: Asked, signal: AbortSignal): Promise<Buffer> {
    this.#secret ??= (await readFile(this.#place.secretPath, "latin1")).trim();
    const sent = request({
      socketPath: this.#place.socketPath,
      path: `/v1/capability/${capability}`,
      method: "POST",
      headers: {
        authorization: `Bearer ${this.#secret}`,
        [BROKER_DEADLINE_HEADER]: String(Math.max(1, call.deadlineMicros)),
      },
      signal,
    });
    sent.end(brokerCallBytes(call));
    const [response] = (await once(sent, "response")) as [IncomingMessage]; // what "response" brings
    const body = await readBounded(response, frameBounds.argumentBytes);
    if (response.statusCode === 401) throw new NotTheSecret();
    if (response.statusCode !== 200 || body === null)
      throw new Error(`the broker answered ${response.statusCode}`);
    return body;
  }
}
