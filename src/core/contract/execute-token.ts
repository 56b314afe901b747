import { decodeBase64Url, encodeBase64Url, openToken, PublicKey, sealToken, sha256 } from "#trust";
import type { ObjectReader, Signer, TokenType } from "#trust";
import { limits } from "./limits.ts";

/**
 * One call of `POST /v1/execute`, bound to its body. An operator's is signed by control's state key; a gateway's (its *proof*)
 * by the key that control's edge credential names. Times are Unix seconds.
 */
export interface CallToken {
  /** Operator's: SPKI digest of the state key; gateway's: its edge id. */
  readonly issuer: string;
  /** Who calls: `operator <id>`, or the gateway's edge id. */
  readonly subject: string;
  /** Edge id of the one runner that may take it. */
  readonly audience: string;
  readonly issuedAt: number;
  readonly expiresAt: number;
  /** Used once. */
  readonly id: string;
  /** The runner's name for its present start. */
  readonly boot: string;
  /** SHA-256 of the request body, base64url. */
  readonly body: string;
}

/** Says that a gateway is enrolled and which key it proves its calls with; signed by control's state key. */
export interface EdgeCredential {
  readonly issuer: string;
  /** The gateway's edge id. */
  readonly subject: string;
  readonly audience: string;
  readonly issuedAt: number;
  readonly expiresAt: number;
  readonly key: PublicKey;
}

/** Header of a gateway's proof, beside `authorization` with its credential. */
export const PROOF_HEADER = "x-caisson-proof";
const ID = /^[A-Za-z0-9_-]{22}$/;
const BODY = /^[A-Za-z0-9_-]{43}$/;
const UUID = /^[0-9a-f-]{36}$/;
const MAX_NAME = 120;
const KEY_BYTES = 32;

/** What a token names a body by. */
export function bodyClaim(body: Uint8Array): string {
  return encodeBase64Url(sha256(body));
}

export function sealExecuteToken(token: CallToken, state: Signer): string {
  return sealCall("caisson-execute+jwt", token, state);
}

export function sealProof(token: CallToken, key: Signer): string {
  return sealCall("caisson-proof+jwt", token, key);
}

function sealCall(type: TokenType, token: CallToken, signer: Signer): string {
  const { issuer, subject, audience, issuedAt, expiresAt, id, boot, body } = token;
  const times = { iat: issuedAt, exp: expiresAt };
  return sealToken(
    type,
    { iss: issuer, sub: subject, aud: audience, ...times, jti: id, boot, body },
    signer,
  );
}

/** text: attacker-controlled. Throws TrustError where signature or shape does not hold; times and audience are the caller's to judge. */
export function openExecuteToken(text: string, stateKey: PublicKey): CallToken {
  return readCall(openToken("caisson-execute+jwt", text, stateKey), stateKey.spkiDigest);
}

/** A proof by the key of `credential`. text: attacker-controlled. Throws as openExecuteToken. */
export function openProof(text: string, credential: EdgeCredential): CallToken {
  return readCall(openToken("caisson-proof+jwt", text, credential.key), credential.subject);
}

function readCall(reader: ObjectReader, issuer: string): CallToken {
  const token = {
    ...readNames(reader, issuer),
    ...readTimes(reader, limits.executeTokenMs.max),
    id: reader.string("jti", { pattern: ID }),
    boot: reader.string("boot", { pattern: ID }),
    body: reader.string("body", { pattern: BODY }),
  };
  reader.end();
  return token;
}

export function sealEdgeCredential(credential: EdgeCredential, state: Signer): string {
  const { issuer, subject, audience, issuedAt, expiresAt, key } = credential;
  const jwk = { crv: "Ed25519", kty: "OKP", x: encodeBase64Url(key.ed25519()) };
  const times = { iat: issuedAt, exp: expiresAt };
  return sealToken(
    "caisson-edge+jwt",
    { iss: issuer, sub: subject, aud: audience, ...times, cnf: { jwk } },
    state,
  );
}

/** text: attacker-controlled. Throws as openExecuteToken. */
export function openEdgeCredential(text: string, stateKey: PublicKey): EdgeCredential {
  const reader = openToken("caisson-edge+jwt", text, stateKey);
  const names = readNames(reader, stateKey.spkiDigest);
  const times = readTimes(reader, limits.edgeCredentialMs.max);
  const jwk = reader.object("cnf").object("jwk");
  jwk.literal("kty", "OKP");
  jwk.literal("crv", "Ed25519");
  const key = parseProofKey(jwk.string("x", { max: 43 }));
  reader.end();
  return { ...names, ...times, key };
}

/** An Ed25519 public key as a credential names it. text: attacker-controlled, base64url of 32 bytes. Throws TrustError. */
export function parseProofKey(text: string): PublicKey {
  return PublicKey.fromEd25519(decodeBase64Url(text, { maxBytes: KEY_BYTES }));
}

function readNames(reader: ObjectReader, issuer: string) {
  return {
    issuer: reader.literal("iss", issuer),
    subject: reader.string("sub", { max: MAX_NAME }),
    audience: reader.string("aud", { pattern: UUID }),
  };
}

/** A lifetime over its bound is refused whoever signed it. */
function readTimes(reader: ObjectReader, maxMs: number): { issuedAt: number; expiresAt: number } {
  const issuedAt = reader.integer("iat");
  const max = issuedAt + maxMs / 1_000;
  return { issuedAt, expiresAt: reader.integer("exp", { min: issuedAt + 1, max }) };
}
