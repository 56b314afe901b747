import { edit } from "./claim.ts";
import type { Claim } from "./claim.ts";
import { deadlineTeeth } from "./core-teeth.ts";

const CALLS = "native/sandbox/src/calls.rs";
const GUEST = "a publisher whose admitted extension turns on its host";
const NEIGHBOUR = "a process of this machine that can reach the sandbox's socket";
const guest = { door: "call", attacker: GUEST, tests: "test/attack/guest.test.ts" } as const;
const handle = { door: "call", attacker: NEIGHBOUR, tests: "test/attack/handle.test.ts" } as const;
const memoryTooth = edit(
  "native/sandbox/src/host.rs",
  "if next > self.cap {",
  "if next == usize::MAX {",
);

/** Checks of the sandbox. */
export const guestClaims: readonly Claim[] = [
  {
    ...guest,
    id: "GUEST-LOOP",
    sentence: "A guest that never returns is ended at its deadline, and the next call works.",
    tooth: deadlineTeeth,
  },
  {
    ...guest,
    id: "GUEST-MEMORY",
    sentence: "A guest that grows over its memory is ended, and the next call works.",
    tooth: [memoryTooth],
  },
  {
    door: "call",
    attacker: GUEST,
    tests: "test/attack/fuel.test.ts",
    id: "GUEST-FUEL",
    sentence:
      "Where fuel is counted, a guest that needs one unit more than it was granted is ended with its own code, and the same work needs the same fuel.",
    tooth: [
      edit(
        "native/sandbox/src/guest.rs",
        "store.set_fuel(limits.fuel + 1).is_err()",
        "store.set_fuel(limits.fuel + 2).is_err()",
      ),
      edit(
        "native/sandbox/src/guest.rs",
        "(self.fuel + 1).saturating_sub(left)",
        "(self.fuel + 2).saturating_sub(left)",
      ),
    ],
  },
  {
    door: "load",
    attacker: "whoever would have a counted extension run uncounted",
    tests: "test/attack/fuel.test.ts",
    id: "SANDBOX-CLASS",
    sentence: "A grant with fuel is taken by no sandbox that counts none.",
    tooth: [
      edit(
        "native/sandbox/src/parent.rs",
        "if (grant.fuel > 0) != (server.class == Class::Fuel) {",
        "if server.class == Class::Fuel && grant.fuel == 0 {",
      ),
    ],
  },
  {
    ...guest,
    id: "GUEST-MEMORIES",
    sentence: "All memories of a call count together: two of them do not double its limit.",
    tooth: [memoryTooth],
  },
  {
    ...guest,
    id: "LOG-BUDGET",
    sentence:
      "A call keeps as much log as its budget allows; what comes on top is dropped, and its record says how many lines that were.",
    tooth: [
      edit(
        "native/sandbox/src/host.rs",
        "limits.log_bytes.saturating_sub(io.log_bytes).min",
        "limits.log_bytes.min",
      ),
    ],
  },
  {
    ...guest,
    id: "GUEST-RECURSION",
    sentence: "A guest that recurses without end costs its own call and not the process.",
    tooth: [
      edit(
        "native/engine/src/lib.rs",
        ".max_wasm_stack(WASM_STACK_BYTES)",
        ".max_wasm_stack(ASYNC_STACK_BYTES)",
      ),
    ],
  },
  {
    ...guest,
    id: "GUEST-TRAP",
    sentence:
      "A trap answers with its code and nothing of a half-written answer; the next call works.",
    tooth: [
      edit(
        "src/edge/gateway/outcome.ts",
        'return { code: "guest.trap", outcome: "trapped" };',
        'return { code: "", outcome: "trapped" };',
      ),
    ],
  },
  {
    ...handle,
    id: "HANDLE-FORGED",
    sentence: "A handle that no grant has runs nothing.",
    tooth: [
      edit(
        CALLS,
        'self.grants.get(&open.handle).ok_or("handle.unknown")?',
        'self.grants.get(&open.handle).or_else(|| self.grants.values().next()).ok_or("handle.unknown")?',
      ),
    ],
  },
  {
    ...handle,
    id: "HANDLE-REMOVED",
    sentence: "The handle of an install that was taken away runs nothing.",
    tooth: [
      edit(
        "src/edge/runner/grant-keeper.ts",
        "for (const [text, held] of this.#held) if (!wanted.has(text)) await this.#withdraw(text, held);",
        "for (const [text, held] of this.#held) if (wanted.size < 0) await this.#withdraw(text, held);",
      ),
    ],
  },
  {
    ...handle,
    id: "HANDLE-EXPIRED",
    sentence: "A grant past its end runs nothing.",
    notClaimed: "The end is compared with the clock of the sandbox's machine, which is trusted.",
    tooth: [edit(CALLS, "if now >= u128::from(state.grant.expires_ms) {", "if now == 0 {")],
  },
  {
    ...handle,
    id: "HANDLE-SECRET",
    sentence: "The sandbox answers no line that does not show its boot secret.",
    tooth: [
      edit(
        "native/sandbox/src/gateway.rs",
        "if std::hint::black_box(difference) != 0 {",
        "if std::hint::black_box(difference) != 0 && server.secret.is_none() {",
      ),
    ],
  },
  {
    ...handle,
    id: "SANDBOX-CODE",
    door: "load",
    attacker: "a runner process that was made to hand down other code than it verified",
    sentence: "Code that differs in one byte from the digest it is handed under is not mapped.",
    tooth: [
      edit(
        "native/lockdown/src/code.rs",
        "if <[u8; 32]>::from(Sha256::digest(bytes)) != *expected {",
        "if <[u8; 32]>::from(Sha256::digest(bytes)) == [0; 32] && *expected != [0; 32] {",
      ),
    ],
  },
];
