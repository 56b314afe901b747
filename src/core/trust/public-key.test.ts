import { expect, test } from "vitest";

import { refusal } from "../../../test/fakes/refusal.ts";
import { newPrivateKey, newSigner } from "../../../test/fakes/releases.ts";
import { concatBytes, writeUtf8 } from "./encodings.ts";
import { PublicKey } from "./public-key.ts";
import { createSigner } from "./signer.ts";

const MESSAGE = writeUtf8("message");

test("PublicKey.checkSignature() accepts its own signer's signature and no other, for every allowed algorithm", () => {
  for (const name of ["p256", "p384", "ed25519", "rsa2048"] as const) {
    const [signer, other] = [newSigner(name), newSigner(name)];
    const signature = signer.sign(MESSAGE);
    expect(refusal(() => signer.publicKey.checkSignature(MESSAGE, signature))).toBe("accepted");
    expect(refusal(() => other.publicKey.checkSignature(MESSAGE, signature))).toBe(
      "signature.invalid",
    );
    expect(refusal(() => signer.publicKey.checkSignature(writeUtf8("massage"), signature))).toBe(
      "signature.invalid",
    );
    expect(refusal(() => signer.publicKey.checkSignature(MESSAGE, new Uint8Array()))).toBe(
      "signature.invalid",
    );
    expect(
      refusal(() =>
        signer.publicKey.checkSignature(MESSAGE, concatBytes(signature, Uint8Array.of(0))),
      ),
    ).toBe("signature.invalid");
  }
});

test("PublicKey refuses algorithms off the allow-list: P-521, RSA below 2048", () => {
  for (const name of ["p521", "rsa1024"] as const)
    expect(refusal(() => createSigner(newPrivateKey(name)))).toBe("key.unsupported");
});

test("PublicKey.fromSpki() accepts one spelling of a key", () => {
  const { spki, spkiDigest } = newSigner().publicKey;
  expect(PublicKey.fromSpki(spki).spkiDigest).toBe(spkiDigest);
  expect(refusal(() => PublicKey.fromSpki(concatBytes(spki, Uint8Array.of(0))))).toBe(
    "key.malformed",
  );
  expect(refusal(() => PublicKey.fromSpki(spki.slice(0, -1)))).toBe("key.malformed");
  expect(refusal(() => PublicKey.fromSpki(new Uint8Array(4_096)))).toBe("key.malformed");
});

test("a P-384 key means SHA-384, not the library's default", () => {
  const signer = newSigner("p384");
  expect(signer.algorithm).toBe("ecdsa-p384-sha384");
  expect(signer.publicKey.keyDetails).toBe("PKIX_ECDSA_P384_SHA_384");
});
