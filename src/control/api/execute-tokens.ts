import { randomBytes } from "node:crypto";
import { limits, sealEdgeCredential, sealExecuteToken } from "#contract";
import type { PublicKey } from "#trust";
import type { RegistryParts } from "#registry";

const ID_BYTES = 16;

/** Names the gateway's own key to one runner; the gateway proves each call with that key (docs/decisions/0009). */
export function mintCredential(
  { keys, clock }: RegistryParts,
  { gateway, runner, key }: { gateway: string; runner: string; key: PublicKey },
): string {
  const issuedAt = seconds(clock.now());
  return sealEdgeCredential(
    {
      issuer: keys.state.publicKey.spkiDigest,
      subject: gateway,
      audience: runner,
      issuedAt,
      expiresAt: issuedAt + limits.edgeCredentialMs.value / 1_000,
      key,
    },
    keys.state,
  );
}

export interface AskedToken {
  readonly subject: string;
  readonly runner: string;
  readonly boot: string;
  /** SHA-256 of the body, base64url. */
  readonly body: string;
}

/** One call of an operator to one runner. */
export function mintExecuteToken(
  { keys, clock }: RegistryParts,
  { subject, runner, boot, body }: AskedToken,
): { readonly token: string; readonly expiresAt: string } {
  const issuedAt = seconds(clock.now());
  const expiresAt = issuedAt + limits.executeTokenMs.value / 1_000;
  const token = sealExecuteToken(
    {
      issuer: keys.state.publicKey.spkiDigest,
      subject,
      audience: runner,
      issuedAt,
      expiresAt,
      id: randomBytes(ID_BYTES).toString("base64url"),
      boot,
      body,
    },
    keys.state,
  );
  return { token, expiresAt: new Date(expiresAt * 1_000).toISOString() };
}

function seconds(date: Date): number {
  return Math.floor(date.getTime() / 1_000);
}
