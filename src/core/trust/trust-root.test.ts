import { createPrivateKey } from "node:crypto";
import { expect, test } from "vitest";

import { selfSigned } from "../../../test/fakes/certificate.ts";
import { at, editJson, GONE } from "../../../test/fakes/edit-json.ts";
import type { Edit } from "../../../test/fakes/edit-json.ts";
import { refusal } from "../../../test/fakes/refusal.ts";
import { anchorFor, FakeLog, newPrivateKey, newSigner, NOW } from "../../../test/fakes/releases.ts";
import { documentTimes, openDocument, sealDocument } from "./document.ts";
import { parseTrustBundle } from "./trust-bundle.ts";
import { joinTrust, parseTrustRootBody, trustRootJson } from "./trust-root.ts";

const KEY = newSigner().publicKey;
const PEM = KEY.toPem();
/** A self-signed P-256 certificate, 2030-01-01 to 2030-12-31. */
const CERTIFICATE = selfSigned(
  newPrivateKey("p256"),
  new Date("2030-01-01T00:00:00Z"),
  new Date("2030-12-31T00:00:00Z"),
);

test("parseTrustBundle() reads every block: keys, and certificates with their dates", () => {
  const anchors = parseTrustBundle(`# publishers\n${PEM}${CERTIFICATE}`);
  expect(anchors.map((anchor) => anchor.pemRef)).toEqual(["pem:1:public-key", "pem:2:certificate"]);
  expect(anchors[0]?.key.spkiDigest).toBe(KEY.spkiDigest);
  expect(anchors[1]?.notAfter).toEqual(new Date("2030-12-31T00:00:00Z"));
});

test("parseTrustBundle() refuses private keys, other labels, duplicates, trailing bytes, damage and nothing at all", () => {
  const privateKey = newPrivateKey("p256").export({ format: "pem", type: "pkcs8" }).toString();
  const sec1 = createPrivateKey(privateKey).export({ format: "pem", type: "sec1" }).toString();
  const der = (pem: string) => Buffer.from(pem.replace(/-----[^-]+-----|\n/g, ""), "base64");
  const block = (label: string, bytes: Buffer) =>
    `-----BEGIN ${label}-----\n${bytes.toString("base64")}\n-----END ${label}-----\n`;
  const longer = (pem: string) => Buffer.concat([der(pem), Buffer.of(0)]);
  const cases: readonly (readonly [string, string])[] = [
    [PEM + privateKey, "anchors.private-key"],
    [sec1, "anchors.private-key"],
    [block("X509 CRL", der(PEM)), "anchors.unknown-label"],
    [PEM + PEM, "anchors.duplicate"],
    [block("PUBLIC KEY", longer(PEM)), "anchors.trailing-bytes"],
    [block("CERTIFICATE", longer(CERTIFICATE)), "anchors.trailing-bytes"],
    ["", "anchors.empty"],
    ["no blocks here", "anchors.empty"],
    [PEM.slice(0, -10), "anchors.malformed"],
    [PEM.replace("-----END PUBLIC KEY-----", "-----END CERTIFICATE-----"), "anchors.malformed"],
    [PEM.replace("\nM", "\nProc-Type: 4\nM"), "anchors.malformed"],
    [PEM.replace("-----END PUBLIC KEY-----", ""), "anchors.malformed"],
    [`x${PEM}`, "anchors.malformed"],
  ];
  for (const [pem, code] of cases)
    expect([pem, refusal(() => parseTrustBundle(pem))]).toEqual([pem, code]);
});

const LOG = new FakeLog().key;
const BODY = { version: 3, anchors: [anchorFor(KEY)], logs: [LOG], approvers: ["one"] };
const ROOT_SIGNER = newSigner("ed25519");
const TIMES = documentTimes(new Date("2030-01-01T00:00:00Z"), new Date("2031-01-01T00:00:00Z"));

function reopened(json: object) {
  const bytes = sealDocument("trust-root", { ...TIMES, ...json }, ROOT_SIGNER);
  return openDocument("trust-root", bytes, [ROOT_SIGNER.publicKey], NOW, parseTrustRootBody).body;
}

test("parseTrustRootBody() reads back what trustRootJson() wrote", () => {
  const body = reopened(trustRootJson(BODY));
  expect(body.version).toBe(3);
  expect(body.anchors[0]).toMatchObject({
    scope: anchorFor(KEY).scope,
    algorithms: ["ecdsa-p256-sha256"],
    validTo: anchorFor(KEY).validTo,
  });
  expect(body.anchors[0]?.key.spkiDigest).toBe(KEY.spkiDigest);
  expect(body.logs[0]?.verifierKey).toBe(LOG.verifierKey);
});

test("parseTrustRootBody() refuses unknown fields, doors and kinds, duplicates, and roots of later versions", () => {
  const attempt = (...edits: readonly Edit[]) =>
    refusal(() => reopened({ ...Object(editJson(trustRootJson(BODY), ...edits)) }));
  const twice = (name: "anchors" | "logs"): Edit => [
    name,
    [at(trustRootJson(BODY), `${name}.0`), at(trustRootJson(BODY), `${name}.0`)],
  ];
  expect(attempt()).toBe("accepted");
  expect(attempt(["extra", 1])).toBe("document.malformed");
  expect(attempt(["anchors.0.extra", 1])).toBe("document.malformed");
  expect(attempt(["anchors.0.scope.doors", ["window"]])).toBe("document.malformed");
  expect(attempt(["anchors.0.scope.publishers", ["ac*"]])).toBe("document.malformed");
  expect(attempt(["anchors.0.scope", GONE])).toBe("document.malformed");
  expect(attempt(["anchors.0.validTo", "2000-01-01T00:00:00Z"])).toBe("document.malformed");
  expect(attempt(twice("anchors"))).toBe("trust-root.malformed");
  expect(attempt(twice("logs"))).toBe("trust-root.malformed");
  expect(attempt(["sigstore", [{}]])).toBe("trust-root.unsupported");
  expect(attempt(["tsa", [{}]])).toBe("trust-root.unsupported");
  expect(attempt(["witnessPolicy", {}])).toBe("trust-root.unsupported");
  expect(attempt(["version", 0])).toBe("document.malformed");
});

test("joinTrust() drops scopes without a key, keeps certificates within their dates, and lists keys without scope", () => {
  const pem = parseTrustBundle(PEM + CERTIFICATE);
  const [, pinned] = pem;
  if (pinned === undefined) throw new Error("the bundle has two anchors");
  expect(joinTrust(pem, BODY).unscoped.map((anchor) => anchor.pemRef)).toEqual([
    "pem:2:certificate",
  ]);
  const wide = anchorFor(pinned.key, {
    validFrom: new Date("2029-01-01T00:00:00Z"),
    validTo: new Date("2040-01-01T00:00:00Z"),
  });
  const joined = joinTrust([pinned], { ...BODY, anchors: [wide, anchorFor(KEY)] });
  expect(joined.anchors).toHaveLength(1);
  expect(joined.anchors[0]).toMatchObject({
    validFrom: pinned.notBefore,
    validTo: pinned.notAfter,
  });
  expect(joined.unscoped).toEqual([]);
});
