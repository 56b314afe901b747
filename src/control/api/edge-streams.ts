import type { ServerResponse } from "node:http";

/** The long streams that are open to each edge, of whatever use. */
export class EdgeStreams {
  readonly #open = new Map<ServerResponse, string>();

  keep(edge: string, response: ServerResponse): void {
    this.#open.set(response, edge);
    response.on("close", () => this.#open.delete(response));
  }

  /** Ends those of an edge that is removed. */
  drop(edge: string): void {
    for (const [response, of] of this.#open) if (of === edge) response.destroy();
  }
}
