import { edit } from "./claim.ts";
import type { Claim } from "./claim.ts";
import { callBudgetTooth, grantedCapabilityTooth, grantWidthTooth } from "./core-teeth.ts";

const ACCESS = "src/control/kv/kv-access.ts";
const CALLS = "src/control/kv/kv-calls.ts";
const STORE = "src/control/kv/kv-store.ts";
const guest = {
  door: "call",
  attacker: "an extension with the capability storage.kv",
  tests: "test/attack/kv.test.ts",
} as const;
const edge = { ...guest, attacker: "whoever holds an edge of this machine" } as const;

/** Keys and values of installs: whose they are, and how much one may keep. */
export const kvClaims: readonly Claim[] = [
  {
    ...guest,
    id: "KV-GRANT",
    sentence:
      "A call of storage.kv under a grant without it is denied and on record with its execution; broker and control both look.",
    attacker: "an extension that was not granted what it asks for",
    tooth: [
      grantedCapabilityTooth,
      edit(ACCESS, 'if (!grant.capabilities.includes("storage.kv"))', "if (grant === null)"),
    ],
  },
  {
    ...guest,
    id: "KV-TENANT",
    sentence: "Tenants with the same extension and the same key never see each other's values.",
    attacker: "a tenant with an extension that another tenant has too",
    tooth: [
      edit(
        CALLS,
        "this.#parts.store.asTenant(tenant, work, bounds)",
        "this.#parts.store.asSystem(work)",
      ),
      edit(
        CALLS,
        "const { tenant: owner, install } = shown.grant;",
        `const first = await tx.selectFrom("kv_space").selectAll().executeTakeFirst();
        const { tenant: owner, install } = first === undefined ? shown.grant : { tenant: first.tenant_id, install: first.install_id };`,
      ),
    ],
  },
  {
    ...edge,
    id: "KV-RECORD",
    sentence:
      "Control opens an install's keys only to a grant that it has on record for that install of that tenant.",
    attacker: "whoever holds the broker's token and the key that signs grants",
    tooth: [edit(ACCESS, 'return "control knows no such grant";', "return null;")],
  },
  {
    ...edge,
    id: "KV-BROKER",
    sentence: "Control takes guests' calls of storage.kv from the broker alone.",
    attacker: "whoever holds the token of a runner or a gateway, or a tenant's key",
    tooth: [
      edit(
        "src/core/policy/authorize.ts",
        'const edgeActions = ["edge:link", "artifact:read"]',
        'const edgeActions = ["edge:link", "artifact:read", "kv:use"]',
      ),
    ],
  },
  {
    ...guest,
    id: "KV-BUDGET",
    sentence:
      "A value, a key, the keys and the bytes of an install stay within their bounds, each refused with its own code.",
    tooth: [
      edit(
        "src/core/contract/kv-rules.ts",
        "if (value.length > limits.kvValueBytes.value)",
        "if (value.length > 2 * limits.kvValueBytes.value)",
      ),
      edit(STORE, "if (keys > limits.kvKeys.value)", "if (keys > 2 * limits.kvKeys.value)"),
      edit(STORE, "return bytes > limits.kvBytes.value", "return bytes > 2 * limits.kvBytes.value"),
    ],
  },
  {
    ...guest,
    id: "KV-CALLS",
    sentence: "Calls of storage.kv count against the call's budget of capability calls.",
    tooth: [callBudgetTooth],
  },
  {
    ...guest,
    id: "KV-CAS",
    sentence: "A put that names a revision is made only over that revision.",
    attacker: "a second writer that read before the first one wrote",
    tooth: [
      edit(
        STORE,
        'if (condition.kind === "revision") return revision === condition.revision;',
        'if (condition.kind === "revision") return true;',
      ),
    ],
  },
  {
    ...edge,
    id: "KV-FENCE",
    sentence: "Control opens no keys of what is stopped, whatever fence an edge knows.",
    tooth: [edit(ACCESS, 'return entry === null ? null : "it was stopped";', "return null;")],
  },
  {
    ...edge,
    id: "KV-REMOVED",
    sentence:
      "The transaction that removes an install removes its keys; from then on its grants open nothing.",
    tooth: [
      edit(ACCESS, "if (!LIVE.includes(row.state))", 'if (row.state === "")'),
      edit(
        "src/control/registry/installs.ts",
        "await removeKv(tx, { tenant, install: id });",
        "void removeKv;",
      ),
    ],
  },
  {
    ...guest,
    id: "KV-WIDER",
    sentence:
      "Install and load refuse a grant of storage.kv that the signed config does not ask for.",
    attacker: "a tenant that grants too much, or whoever holds the key that signs grants",
    tooth: [grantWidthTooth],
  },
];
