import { edit } from "./claim.ts";
import type { Claim } from "./claim.ts";
import {
  callBudgetTooth,
  deadlineTeeth,
  documentSignerTeeth,
  grantedCapabilityTooth,
} from "./core-teeth.ts";

const POLICY = "src/edge/broker/egress-policy.ts";
const FETCH = "src/edge/broker/fetch-capability.ts";
const REQUEST = "src/edge/broker/guarded-request.ts";
const BUDGETS = "native/sandbox/src/capability.rs";
const common = {
  door: "call",
  attacker: "an extension with the capability http.fetch",
  tests: "test/attack/egress.test.ts",
} as const;

const SERVER = "src/edge/broker/broker-server.ts";
const broker = {
  door: "call",
  attacker: "whoever holds a runner of this machine",
  tests: "test/attack/broker.test.ts",
} as const;

/** What an extension reaches outside, and what it never does. The sandbox has no network of its own. */
export const egressClaims: readonly Claim[] = [
  {
    ...common,
    id: "EGRESS-GRANT",
    sentence:
      "A request goes only to an origin and by a method that the grant names; an empty list goes nowhere.",
    tooth: [
      edit(
        POLICY,
        "if (rule === undefined) return",
        "if (rule === undefined && url.origin === '') return",
      ),
      edit(POLICY, "!rule.methods.includes(method)", "rule?.methods === null"),
    ],
  },
  {
    ...common,
    id: "EGRESS-CEILING",
    sentence: "No grant opens an origin that the operator's EXT_EGRESS_ALLOWLIST does not hold.",
    attacker: "a tenant that grants more than the operator lets out",
    tooth: [
      edit(
        POLICY,
        "const entry = ceiling.get(url.origin);",
        "const entry = ceiling.get(url.origin) ?? [...ceiling.values()][0];",
      ),
    ],
  },
  {
    ...common,
    id: "EGRESS-PRIVATE",
    sentence:
      "A name with any private, loopback, link-local, shared, multicast, unspecified, mapped or tunnelled address is not reached, unless the operator named that network for it.",
    tooth: [edit(POLICY, "!(isPublicAddress(address) ||", "!(address !== '' ||")],
  },
  {
    ...common,
    id: "EGRESS-METADATA",
    sentence: "The address where clouds hand out credentials is not reached, whatever is named.",
    notClaimed:
      "The list is of the addresses in common use; an operator's own services are the allow-list's business.",
    tooth: [edit(POLICY, "isMetadataAddress(address) ||", "")],
  },
  {
    ...common,
    id: "EGRESS-REBINDING",
    sentence: "The connection goes to an address that was checked, whatever the name says by then.",
    attacker: "an extension whose name server answers otherwise the second time",
    tooth: [
      edit(
        FETCH,
        'const [address = ""] = addresses;',
        'const [address = ""] = await parts.resolve(url.hostname);',
      ),
    ],
  },
  {
    ...common,
    id: "EGRESS-REDIRECT",
    sentence: "No redirect is followed: the guest gets it as the answer.",
    attacker: "a host in the grant that sends the broker elsewhere",
    tooth: [
      edit(
        REQUEST,
        "return await answerOf(await send(guarded, headers), guarded.signal);",
        `const first = await send(guarded, headers);
    const next = first.headers.location;
    if (next === undefined) return await answerOf(first, guarded.signal);
    return await answerOf(await send({ ...guarded, url: new URL(next, guarded.url) }, headers), guarded.signal);`,
      ),
    ],
  },
  {
    ...common,
    id: "EGRESS-URL",
    sentence:
      "A URL with a user, another scheme or another spelling of its origin is not asked for.",
    tooth: [
      edit(
        POLICY,
        'if (url === null || url.username !== "" || url.password !== "") return null;',
        "if (url === null) return null;",
      ),
      edit(
        POLICY,
        "if (!text.startsWith(url.origin) || parseOrigin(url.origin) === null)",
        "if (text === null)",
      ),
    ],
  },
  {
    ...common,
    id: "EGRESS-HEADERS",
    sentence: "A guest does not set Host, Cookie, the body's length or coding, or who is asking.",
    tooth: [
      edit(
        REQUEST,
        "if (REQUEST_HEADERS.has(name) || mayPass(name))",
        "if (name !== '' || mayPass(name))",
      ),
    ],
  },
  {
    ...common,
    id: "EGRESS-REQUESTS",
    sentence: "A call sends at most as many requests as its grant's budget.",
    tooth: [
      edit(
        BUDGETS,
        "if used.requests >= limits.egress_requests {",
        "if used.requests >= u32::MAX {",
      ),
    ],
  },
  {
    ...common,
    id: "EGRESS-CALLS",
    sentence:
      "A call makes at most as many capability calls as its grant's budget, refused ones included.",
    tooth: [callBudgetTooth],
  },
  {
    ...common,
    id: "EGRESS-BYTES",
    sentence: "A call sends and receives at most as many bytes as its grant's budget.",
    tooth: [
      edit(
        BUDGETS,
        "if used.out_bytes + out > limits.egress_out_bytes {",
        "if used.out_bytes + out > u64::MAX {",
      ),
      edit(
        BUDGETS,
        "if io.outside.in_bytes > limits.egress_in_bytes {",
        "if io.outside.in_bytes > u64::MAX {",
      ),
    ],
  },
  {
    ...common,
    id: "EGRESS-TLS",
    sentence:
      "An https origin is spoken to only behind a certificate of its name, within its time, of an authority that Node or CAISSON_EGRESS_CA knows.",
    attacker: "whoever answers at the address of a host in the grant",
    notClaimed: "Revocation of certificates is not looked up.",
    tests: "test/attack/egress-tls.test.ts",
    tooth: [edit(REQUEST, "ca: [...authorities]", "rejectUnauthorized: false")],
  },
  {
    ...common,
    id: "EGRESS-DEADLINE",
    sentence: "A capability call that hangs ends with the call's deadline.",
    attacker: "a host in the grant that never answers",
    tooth: [
      ...deadlineTeeth,
      edit(
        "src/edge/broker/broker-server.ts",
        "const late = AbortSignal.timeout(Math.ceil(deadlineMicros / 1_000));",
        "const late = AbortSignal.timeout(Math.ceil(deadlineMicros / 1_000) + 4_000);",
      ),
    ],
  },
  {
    ...common,
    id: "EGRESS-RECORD",
    sentence:
      "The capability that a call was denied first is on record with its execution, and the rule that denied it in the tenant's log.",
    attacker: "an extension that probes what it may reach and keeps silent about it",
    tooth: [
      edit(
        BUDGETS,
        "shared.io().outside.denied.get_or_insert(Capability::Fetch);",
        "shared.io().outside.denied = None;",
      ),
    ],
  },
  {
    ...broker,
    id: "BROKER-SECRET",
    sentence: "The broker answers nobody who does not show the secret of its boot.",
    attacker: "another process of this machine that reaches the broker's socket",
    tooth: [
      edit(
        SERVER,
        "return given.length === wanted.length && timingSafeEqual(given, wanted);",
        "return given.length === wanted.length || timingSafeEqual(wanted, wanted);",
      ),
    ],
  },
  {
    ...broker,
    id: "BROKER-GRANT",
    sentence: "The broker acts on no grant that control did not sign.",
    tooth: documentSignerTeeth,
  },
  {
    ...broker,
    id: "BROKER-CAPABILITY",
    sentence: "The broker sends nothing under a grant without the capability.",
    tooth: [grantedCapabilityTooth],
  },
  {
    ...broker,
    id: "BROKER-FENCE",
    sentence: "The broker lets nothing out that is stopped, whatever a runner says.",
    tooth: [
      edit(
        SERVER,
        "if (fence.hit(body) !== null)",
        "if (fence.hit(body) !== null && body === null)",
      ),
    ],
  },
];
