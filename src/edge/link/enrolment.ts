import { createPublicKey } from "node:crypto";
import { readFile } from "node:fs/promises";
import { ObjectReader, parseStrictJson, PublicKey } from "#trust";
import { writeFileDurably } from "#platform";
import { LinkError } from "./link-error.ts";

/** What an edge knows of its control, pinned when it was enrolled; the file is 0600. */
export interface Enrolment {
  readonly url: string;
  readonly stateKey: PublicKey;
  readonly trustRootKey: PublicKey;
  readonly edgeToken: string;
}

export async function readEnrolment(path: string): Promise<Enrolment> {
  try {
    const reader = ObjectReader.of(
      parseStrictJson(await readFile(path), { maxBytes: 65_536 }),
      "enrolment",
    );
    const enrolment = {
      url: reader.string("url", { max: 2_048 }),
      stateKey: keyOf(reader.string("stateKey")),
      trustRootKey: keyOf(reader.string("trustRootKey")),
      edgeToken: reader.string("edgeToken", { max: 128 }),
    };
    reader.literal("ca", null); // control has no TLS in development mode; another value would be ignored, so it is refused
    reader.end();
    return enrolment;
  } catch (cause) {
    throw new LinkError(
      "enrolment.invalid",
      `cannot read the enrolment file ${path}; enrol this edge again`,
      { cause },
    );
  }
}

function keyOf(pem: string): PublicKey {
  return PublicKey.fromKeyObject(createPublicKey(pem));
}

export async function writeEnrolment(path: string, enrolment: Enrolment): Promise<void> {
  const { url, stateKey, trustRootKey, edgeToken } = enrolment;
  await writeFileDurably(
    path,
    JSON.stringify({
      url,
      ca: null,
      stateKey: stateKey.toPem(),
      trustRootKey: trustRootKey.toPem(),
      edgeToken,
    }),
  );
}
