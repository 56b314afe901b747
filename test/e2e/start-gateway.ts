import { fork } from "node:child_process";
import { mkdir, mkdtemp, readFile, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { send } from "./caisson.ts";
import type { Answer, Caisson } from "./caisson.ts";
import { freePorts } from "./free-ports.ts";

const MAIN = fileURLToPath(new URL("../../src/apps/gateway.ts", import.meta.url));

export interface SecondGatewayParts {
  /** The snapshot on its disk. */
  readonly document: Uint8Array;
  /** The fence on its disk; what the supervisor's own gateway has there unless told. */
  readonly fence?: Uint8Array;
  readonly controlUrl: string;
}

export interface SecondGateway extends AsyncDisposable {
  call(key: string, target: string): Promise<Answer>;
}

/** A gateway process beside the supervisor's: enrolled as that one, with another control's address and this snapshot on disk. */
export async function startGateway(
  caisson: Caisson,
  { document, fence, controlUrl }: SecondGatewayParts,
): Promise<SecondGateway> {
  const data = await mkdtemp(join(tmpdir(), "cai-gw-"));
  await mkdir(join(data, "edge"));
  await mkdir(join(data, "gateway/line"), { recursive: true });
  const enrolment = JSON.parse(
    await readFile(join(caisson.data, "edge/gateway.json"), "utf8"),
  ) as object; // written by control
  await writeFile(
    join(data, "edge/gateway.json"),
    JSON.stringify({ ...enrolment, url: controlUrl }),
  );
  await writeFile(join(data, "gateway/line/snapshot.dsse"), document);
  const kept = await readFile(join(caisson.data, "gateway/line/fence.dsse"));
  await writeFile(join(data, "gateway/line/fence.dsse"), fence ?? kept);
  const port = await freePorts();
  const child = fork(MAIN, [], {
    env: {
      ...process.env,
      CAISSON_DATA: data,
      CAISSON_RUNTIME: caisson.runtime,
      CAISSON_PORT: String(port),
      CAISSON_OPS_PORT: "0",
      CAISSON_MODE: "development",
    },
    stdio: ["ignore", "ignore", "inherit", "ipc"],
  });
  const gone = new Promise((resolve) => child.once("exit", resolve));
  await new Promise<void>((resolve, reject) => {
    child.once("message", () => resolve());
    child.once("exit", () => reject(new Error("the gateway did not start")));
  });
  return {
    call: (key, target) => send(port, target, { headers: { authorization: `Bearer ${key}` } }),
    async [Symbol.asyncDispose]() {
      child.kill("SIGTERM");
      await gone;
      await rm(data, { recursive: true, force: true });
    },
  };
}
