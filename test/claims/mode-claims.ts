import { edit } from "./claim.ts";
import type { Claim } from "./claim.ts";

const MODE = "src/apps/mode.ts";
const KEYSTORE = "src/control/registry/keystore.ts";
const common = { door: "start", tests: "test/attack/mode.test.ts" } as const;
const MISTAKE = "an operator's mistake";

/** Checks of how Caisson may be started. */
export const modeClaims: readonly Claim[] = [
  {
    ...common,
    id: "MODE-LOOPBACK",
    sentence: "Development mode, which has no TLS, listens on loopback alone.",
    attacker: MISTAKE,
    tooth: [edit(MODE, "if (!LOOPBACK.includes(bind))", 'if (bind === "")')],
  },
  {
    ...common,
    id: "MODE-MIX",
    sentence: "A wrong mix of settings starts nothing, and one refusal names every wrong one.",
    attacker: MISTAKE,
    tooth: [
      edit(
        "src/core/platform/env-reader.ts",
        "if (!this.#bad.includes(said)) this.#bad.push(said);",
        "this.#bad[0] = said;",
      ),
    ],
  },
  {
    ...common,
    id: "MODE-CERTIFICATE",
    sentence:
      "Production starts with no certificate that is past its dates, for another host, or not of its key.",
    attacker: MISTAKE,
    tooth: [
      edit(MODE, "if (!leaf.checkPrivateKey(createPrivateKey(key)))", 'if (key === "")'),
      edit(MODE, "if (now < leaf.validFromDate || now > leaf.validToDate)", 'if (key === "")'),
      edit(MODE, "if (host !== null && leaf.checkHost(host) === undefined)", 'if (key === "")'),
    ],
  },
  {
    ...common,
    id: "MODE-PROXY",
    sentence:
      "Where a proxy ends TLS, control and gateway answer that proxy and this machine, and nobody else.",
    attacker: "whoever reaches the ports past the proxy",
    tooth: [edit("src/apps/public-server.ts", "socket.destroy();", "socket.ref();")],
  },
  {
    ...common,
    id: "MODE-SEALED",
    sentence: "In production none of control's signing keys lies open on its disk.",
    attacker: "a thief of control's disk, or of a copy of it",
    notClaimed:
      "Tokens of this machine's edges, and the passphrase's and the operator's own files, lie where the operator put them, as 0600 files.",
    tooth: [
      edit(
        KEYSTORE,
        'const sealed = passphrase === null ? {} : { cipher: "aes-256-cbc", passphrase };',
        "const sealed = {};",
      ),
    ],
  },
  {
    ...common,
    id: "MODE-OPENED",
    sentence: "Production signs with no key that lay open before.",
    attacker: "whoever copied the keys of a data folder that was used in development mode",
    tooth: [edit(KEYSTORE, "if (passphrase !== null && !isSealed)", 'if (passphrase === "")')],
  },
];
