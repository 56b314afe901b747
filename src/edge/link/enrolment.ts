import { createPublicKey, X509Certificate } from "node:crypto";
import { readFile } from "node:fs/promises";
import { ObjectReader, parseStrictJson, PublicKey } from "#trust";
import { writeFileDurably } from "#platform";
import { LinkError } from "./link-error.ts";

/** What an edge knows of its control, pinned when it was enrolled; the file is 0600. */
export interface Enrolment {
  /** Where control answers its edges: https, or plain on this machine. */
  readonly url: string;
  /** PEM of the authorities that control's certificate comes from, and no other; null: the well-known ones. */
  readonly ca: string | null;
  /** This edge's own id. */
  readonly edge: string;
  readonly stateKey: PublicKey;
  readonly trustRootKey: PublicKey;
  readonly edgeToken: string;
}

const MAX_FILE_BYTES = 512 * 1_024;
const MAX_CA_CHARS = 262_144;
const UUID = /^[0-9a-f-]{36}$/;
const LOOPBACK = ["127.0.0.1", "[::1]", "localhost"];

export async function readEnrolment(path: string): Promise<Enrolment> {
  try {
    const bytes = await readFile(path);
    const reader = ObjectReader.of(
      parseStrictJson(bytes, { maxBytes: MAX_FILE_BYTES }),
      "enrolment",
    );
    const enrolment = {
      url: controlUrl(reader),
      ca: authorities(reader),
      edge: reader.string("edge", { pattern: UUID }),
      stateKey: keyOf(reader.string("stateKey")),
      trustRootKey: keyOf(reader.string("trustRootKey")),
      edgeToken: reader.string("edgeToken", { max: 128 }),
    };
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

/** Stops: an edge's token, and what control sends it, in the clear on a network. */
function controlUrl(reader: ObjectReader): string {
  const text = reader.string("url", { max: 2_048 });
  const { protocol, hostname } = new URL(text);
  const plain = protocol === "http:" && LOOPBACK.includes(hostname);
  if (protocol !== "https:" && !plain) reader.refuse("url", "https, or this machine's loopback");
  return text;
}

function authorities(reader: ObjectReader): string | null {
  if (reader.value("ca") === null) return null;
  const pem = reader.string("ca", { max: MAX_CA_CHARS });
  requireCertificate(pem);
  return pem;
}

/** Throws where the text begins with no certificate. */
function requireCertificate(pem: string): void {
  if (new X509Certificate(pem).raw.length === 0) throw new Error("no certificate");
}

function keyOf(pem: string): PublicKey {
  return PublicKey.fromKeyObject(createPublicKey(pem));
}

export async function writeEnrolment(path: string, enrolment: Enrolment): Promise<void> {
  const { url, ca, edge, stateKey, trustRootKey, edgeToken } = enrolment;
  await writeFileDurably(
    path,
    JSON.stringify({
      url,
      ca,
      edge,
      stateKey: stateKey.toPem(),
      trustRootKey: trustRootKey.toPem(),
      edgeToken,
    }),
  );
}
