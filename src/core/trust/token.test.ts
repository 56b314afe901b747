import { sign, verify } from "node:crypto";
import { expect, test } from "vitest";
import {
  encodeBase64Url,
  newPrivateKey,
  openToken,
  createSigner,
  PublicKey,
  sealToken,
} from "#trust";
import type { TokenType } from "#trust";

const privateKey = newPrivateKey("ed25519");
const signer = createSigner(privateKey);
const key = signer.publicKey;
const TYPE: TokenType = "caisson-execute+jwt";
const text = (value: unknown) => encodeBase64Url(Buffer.from(JSON.stringify(value)));

/** As any other library would make one: Node's crypto alone. */
function tokenOf(header: unknown, claims: unknown, by = privateKey): string {
  const signed = `${text(header)}.${text(claims)}`;
  return `${signed}.${encodeBase64Url(sign(null, Buffer.from(signed), by))}`;
}

const codeOf = (token: string, type: TokenType = TYPE, by = key): string => {
  try {
    openToken(type, token, by);
    return "opened";
  } catch (error) {
    return (error as { code: string }).code;
  }
};

test("sealToken() makes what Node's own crypto verifies, and openToken() opens what it signs", () => {
  const token = sealToken(TYPE, { sub: "a", n: 1 }, signer);
  const [header = "", claims = "", signature = ""] = token.split(".");
  expect(JSON.parse(Buffer.from(header, "base64url").toString())).toEqual({
    alg: "EdDSA",
    typ: TYPE,
  });
  const jwk = { kty: "OKP", crv: "Ed25519", x: encodeBase64Url(key.ed25519()) };
  expect(
    verify(
      null,
      Buffer.from(`${header}.${claims}`),
      { key: jwk, format: "jwk" },
      Buffer.from(signature, "base64url"),
    ),
  ).toBe(true);
  const reader = openToken(TYPE, tokenOf({ alg: "EdDSA", typ: TYPE }, { sub: "b" }), key);
  expect(reader.string("sub")).toBe("b");
});

test("openToken() takes no other algorithm, type, key id, spelling or key", () => {
  const claims = { sub: "a" };
  const good = tokenOf({ alg: "EdDSA", typ: TYPE }, claims);
  expect(codeOf(good)).toBe("opened");
  expect(codeOf(good, "caisson-proof+jwt")).toBe("token.type");
  for (const header of [
    { alg: "none", typ: TYPE },
    { alg: "HS256", typ: TYPE },
    { alg: "EdDSA", typ: TYPE, kid: "x" },
    { alg: "EdDSA", typ: TYPE, crit: ["b64"], b64: false },
    { typ: TYPE, alg: "EdDSA" },
    { alg: "EdDSA" },
  ])
    expect(codeOf(tokenOf(header, claims)), JSON.stringify(header)).toBe("token.type");
  expect(codeOf(tokenOf({ alg: "EdDSA", typ: TYPE }, claims, newPrivateKey("ed25519")))).toBe(
    "signature.invalid",
  );
  const [header = "", payload = "", signature = ""] = good.split(".");
  expect(codeOf(`${header}.${payload}.${signature}=`)).toBe("base64.malformed");
  // The last letter of 64 bytes in base64url has four bits to spare.
  const spare = `${signature.slice(0, -1)}${String.fromCharCode(signature.charCodeAt(85) + 1)}`;
  expect(codeOf(`${header}.${payload}.${spare}`)).toBe("base64.malformed");
  expect(codeOf(`${header}.${payload}.`)).toBe("signature.invalid");
  expect(codeOf(`${header}.${payload}`)).toBe("token.malformed");
  expect(codeOf(`${good}.${signature}`)).toBe("token.malformed");
  expect(codeOf(`${good}${"A".repeat(2_048)}`)).toBe("token.malformed");
  expect(codeOf(`${header}.${text({ sub: "b" })}.${signature}`)).toBe("signature.invalid");
});

test("openToken() takes no signed claims that are no closed JSON object", () => {
  const header = { alg: "EdDSA", typ: TYPE };
  expect(codeOf(tokenOf(header, ["a"]))).toBe("token.malformed");
  const signed = `${text(header)}.${encodeBase64Url(Buffer.from('{"a":1,"a":2}'))}`;
  const twice = `${signed}.${encodeBase64Url(sign(null, Buffer.from(signed), privateKey))}`;
  expect(codeOf(twice)).toBe("json.duplicate-key");
});

test("tokens are of Ed25519 keys alone, and such a key is its 32 bytes", () => {
  const other = createSigner(newPrivateKey("p256"));
  expect(() => sealToken(TYPE, {}, other)).toThrow(/ecdsa/);
  expect(codeOf("a.b.c", TYPE, other.publicKey)).toBe("key.unsupported");
  expect(PublicKey.fromEd25519(key.ed25519()).keyId).toBe(key.keyId);
  expect(() => PublicKey.fromEd25519(new Uint8Array(31))).toThrow(/public key/);
});
