import { edit } from "./claim.ts";

const RELEASE = "src/core/trust/verify-release.ts";
const ENTRY = "src/core/trust/verify-log-entry.ts";

/** Checks of the trust core that more than one door rests on. */
export const subjectTooth = edit(
  RELEASE,
  "if (statement.manifestDigest === measured) return true;",
  "if (measured !== undefined) return true;",
);
export const signatureTooth = edit(
  RELEASE,
  "anchor.key.checkSignature(signedBytes(envelope), envelope.signature);",
  "signedBytes(envelope);",
);
export const firstAnchorTooth = edit(
  RELEASE,
  "if (anchor !== undefined) return anchor;",
  "if (trustRoot.anchors[0] !== undefined) return anchor ?? trustRoot.anchors[0];",
);
export const unscopedTooth = edit(
  RELEASE,
  'throw new TrustError("signer.unscoped", unscopedMessage(held.key.spkiDigest));',
  `return { ...held, scope: { publishers: ["*"], kinds: ["extension"], doors: ["publish", "install", "load"] },
      validFrom: new Date(0), validTo: new Date(8e15), algorithms: [held.key.algorithm] };`,
);
export const scopeTooth = edit(
  RELEASE,
  "if (publisher && kind !== undefined && scope.kinds.includes(kind) && scope.doors.includes(door))",
  "if (kind !== undefined && door !== undefined)",
);
export const windowTooth = edit(
  RELEASE,
  "if (at >= anchor.validFrom.getTime() && at <= anchor.validTo.getTime()) return true;",
  "if (at > 0) return true;",
);
export const bindingTooth = edit(
  RELEASE,
  "if (statement[field] !== expected[field])",
  "if (statement[field] === null)",
);
export const bareSignatureTooth = edit(
  RELEASE,
  'if (bundle.content.kind !== "envelope")',
  "if (bundle.content === null)",
);
export const logRequiredTooth = edit(
  RELEASE,
  "if (!question.requireLog && bundle.entries.length === 0) return null;",
  "if (bundle.entries.length === 0) return null;",
);
export const inclusionTooth = edit(
  ENTRY,
  "checkInclusion(leafHash(expected), entry.index, checkpoint.size, proof.hashes, checkpoint.root),",
  "leafHash(expected),",
);
export const entryTeeth = [
  edit(ENTRY, "if (!equalBytes(entry.body, expected))", "if (entry.body === null)"),
  edit(ENTRY, "checkInclusion(leafHash(expected),", "checkInclusion(leafHash(entry.body),"),
];
export const checkpointTooth = edit(
  "src/core/trust/note.ts",
  "verifier.check(note.text, signature);",
  "void signature;",
);
/** Both ways in which the sandbox ends a call at its deadline: the guest that runs, and the one that waits. */
export const deadlineTeeth = [
  edit(
    "native/sandbox/src/guest.rs",
    "true => Err(Stop::Deadline.into()),",
    "true => Ok(UpdateDeadline::Yield(1)),",
  ),
  edit(
    "native/sandbox/src/calls.rs",
    "if self.next_deadline.is_none_or(|d| d > now) {",
    "if self.next_deadline.is_none_or(|d| d != now) {",
  ),
];
/** Who signed one of our documents. */
export const documentSignerTeeth = [
  edit(
    "src/core/trust/dsse.ts",
    "const key = keys.find((candidate) => candidate.keyId === envelope.keyId);",
    "const key = keys[0];",
  ),
  edit(
    "src/core/trust/dsse.ts",
    "key.checkSignature(pae(payloadType, envelope.payload), envelope.signature);",
    "pae(payloadType, envelope.payload);",
  ),
];
/** A grant within the request: install and load ask the same judge. */
export const grantWidthTooth = edit(
  "src/core/policy/judge-grant.ts",
  "if (wider.length > 0)",
  "if (wider.length < 0)",
);
export const egressWidthTooth = edit(
  "src/core/policy/judge-grant.ts",
  "wider.push(...widerEgress(granted.egress, requested.egress));",
  "",
);
/** A capability call of any kind, counted in the sandbox. */
export const callBudgetTooth = edit(
  "native/sandbox/src/capability.rs",
  "if used.calls >= limits.capability_calls {",
  "if used.calls >= u32::MAX {",
);
/** What a grant has to hold before the broker does anything under it. */
export const grantedCapabilityTooth = edit(
  "src/edge/broker/broker-server.ts",
  "return body.capabilities.includes(capability) ? body :",
  "return body !== null ? body :",
);
