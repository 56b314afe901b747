import type { ServerResponse } from "node:http";
import { trialQuestionLine } from "#contract";
import type { TrialDesk } from "#registry";
import { beginLines, HEARTBEAT_MS, sendLine } from "./send-line.ts";

/** The long stream on which runners are asked to try instances; a JSON object per line. */
export class TrialLines implements Disposable {
  readonly #desk: Pick<TrialDesk, "attach">;
  readonly #open = new Set<ServerResponse>();
  readonly #beat: NodeJS.Timeout;

  constructor(desk: Pick<TrialDesk, "attach">) {
    this.#desk = desk;
    this.#beat = setInterval(() => {
      for (const response of this.#open) sendLine(response, { kind: "heartbeat" });
    }, HEARTBEAT_MS);
  }

  attach(response: ServerResponse, edge: string): void {
    beginLines(response);
    sendLine(response, { kind: "heartbeat" });
    this.#open.add(response);
    const line = this.#desk.attach(edge, (question) =>
      sendLine(response, trialQuestionLine(question)),
    );
    response.on("close", () => {
      this.#open.delete(response);
      line[Symbol.dispose]();
    });
  }

  [Symbol.dispose](): void {
    clearInterval(this.#beat);
    for (const response of this.#open) response.end();
  }
}
