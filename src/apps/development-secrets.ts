import { mkdir, readFile } from "node:fs/promises";
import { join } from "node:path";
import { writeFileDurably } from "#platform";
import { writeEnrolment } from "#link";
import type { ControlKeys } from "#registry";
import { newEdgeToken, newSecret } from "#tenants";

export interface DevelopmentSecrets {
  readonly operatorKey: string;
  readonly gatewayToken: string;
  readonly runnerToken: string;
  readonly brokerToken: string;
}

/** 0600 files in the data folder: development mode's keystore, made once. */
export async function developmentSecrets(
  data: string,
  url: string,
  keys: ControlKeys,
): Promise<DevelopmentSecrets> {
  await mkdir(join(data, "edge"), { recursive: true, mode: 0o700 });
  const secrets = {
    operatorKey: await secretFile(join(data, "keys/operator.key"), () => newSecret()),
    gatewayToken: await secretFile(join(data, "edge/gateway.token"), newEdgeToken),
    runnerToken: await secretFile(join(data, "edge/runner.token"), newEdgeToken),
    brokerToken: await secretFile(join(data, "edge/broker.token"), newEdgeToken),
  };
  const pinned = { url, stateKey: keys.state.publicKey, trustRootKey: keys.trustRoot.publicKey };
  await writeEnrolment(join(data, "edge/gateway.json"), {
    ...pinned,
    edgeToken: secrets.gatewayToken,
  });
  await writeEnrolment(join(data, "edge/runner.json"), {
    ...pinned,
    edgeToken: secrets.runnerToken,
  });
  await writeEnrolment(join(data, "edge/broker.json"), {
    ...pinned,
    edgeToken: secrets.brokerToken,
  });
  return secrets;
}

/** The secret in the file; made by `make` where there is none. */
export async function secretFile(path: string, make: () => string): Promise<string> {
  const present = await readFile(path, "utf8").catch((error: NodeJS.ErrnoException) => {
    if (error.code === "ENOENT") return null;
    throw error;
  });
  if (present !== null) return present.trim();
  const secret = make();
  await writeFileDurably(path, `${secret}\n`);
  return secret;
}
