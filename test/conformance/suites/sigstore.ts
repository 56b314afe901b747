import { openSet } from "../corpus.ts";
import { verifyRekorV1 } from "../rekor-v1.ts";
import { Suite } from "../suite.ts";
import type { SuiteResult } from "../suite.ts";

type Logs = Parameters<typeof verifyRekorV1>[3];

/** sigstore-conformance: the cases whose bundle is signed by a key; certificates have no verifier yet. */
export function sigstoreSuite(): SuiteResult {
  const set = openSet("sigstore-conformance");
  const publicGood = openSet("sigstore-trusted-root");
  const suite = new Suite("sigstore-conformance");
  const cases = new Set(
    set.files
      .filter((file) => file.split("/").length === 3)
      .map((file) => file.split("/")[1] ?? ""),
  );
  for (const name of [...cases].toSorted()) {
    const path = (file: string) => `bundle-verify/${name}/${file}`;
    const bundle = set.bytes(path("bundle.sigstore.json"));
    if (!isKeyed(bundle)) {
      suite.skip(
        name,
        "signed with a certificate, or not readable as a bundle: certificates come later",
      );
      continue;
    }
    const artifact = set.bytes(
      set.has(path("artifact")) ? path("artifact") : "bundle-verify/a.txt",
    );
    const key = set.has(path("key.pub")) ? set.text(path("key.pub")) : null;
    const root = set.has(path("trusted_root.json"))
      ? set.json<{ tlogs: Logs }>(path("trusted_root.json"))
      : publicGood.json<{ tlogs: Logs }>(
          publicGood.files.find((file) => file.endsWith(".json")) ?? "",
        );
    suite.verdict(name, !name.endsWith("_fail"), () =>
      verifyRekorV1(bundle, artifact, key, root.tlogs),
    );
  }
  suite.remark(
    "RFC 3161 timestamps in these bundles are carried, not read: a pinned key needs no signing time",
  );
  return suite.result();
}

function isKeyed(bytes: Uint8Array): boolean {
  try {
    const bundle = JSON.parse(Buffer.from(bytes).toString()) as {
      verificationMaterial?: { publicKey?: unknown };
    };
    return bundle.verificationMaterial?.publicKey !== undefined;
  } catch {
    return false;
  }
}
