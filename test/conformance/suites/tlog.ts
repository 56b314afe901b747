import {
  checkConsistency,
  checkLog,
  claimedOrigin,
  CodedError,
  concatBytes,
  cosignatureMessage,
  decodeBase64,
  decodeEntries,
  decodeHashes,
  decodeHex,
  equalBytes,
  formatVerifierKey,
  hashOver,
  leafHash,
  openCheckpoint,
  openNote,
  parseCheckpointText,
  parseNote,
  parseVerifierKey,
  PublicKey,
  runLogCheck,
  tilePath,
  entriesPath,
  writeUtf8,
} from "../../../src/core/trust/index.ts";
import type { Checkpoint, NoteVerifier } from "../../../src/core/trust/index.ts";
import { openSet } from "../corpus.ts";
import type { CorpusSet } from "../corpus.ts";
import { Suite } from "../suite.ts";
import type { SuiteResult } from "../suite.ts";

/** The sample blocks of the C2SP specifications. */
export function tlogC2spSuite(): SuiteResult {
  const set = openSet("tlog-c2sp");
  const suite = new Suite("tlog-c2sp");
  for (const { file, vkey } of set.json<{ file: string; vkey: string | null }[]>("index.json"))
    suite.verdict(file, true, () => readSample(set, file, vkey));
  return suite.result();
}

function readSample(set: CorpusSet, file: string, vkey: string | null): void {
  const bytes = set.bytes(file);
  switch (file) {
    case "signed-note-example.txt":
      return void openNote(bytes, [parseVerifierKey(vkey ?? "")]);
    case "signed-note-blank-lines.txt":
      return void parseNote(bytes);
    case "checkpoint.txt":
    case "checkpoint-cosigned.txt":
      return void parseCheckpointText(parseNote(bytes).text);
    case "cosignature-v1-message.txt": {
      const cosigned = parseNote(set.bytes("checkpoint-cosigned.txt"));
      const [, cosignature] = cosigned.signatures;
      if (cosignature === undefined) throw new Error("the sample has two signatures");
      const seconds = new DataView(cosignature.signature.buffer).getBigUint64(0);
      if (cosignatureMessage(cosigned.text, seconds) !== set.text(file))
        throw new Error("another message");
      return;
    }
    case "add-checkpoint-request.txt": {
      const { note, proof, oldSize } = parseAddCheckpoint(set.text(file));
      const checkpoint = parseCheckpointText(parseNote(note).text);
      if (oldSize > checkpoint.size || proof.length !== 4) throw new Error("another request");
      return;
    }
    case "add-checkpoint-response.txt":
      return void parseNote(concatBytes(writeUtf8("text\n\n"), bytes));
    default:
      throw new Error(`unknown sample "${file}"`);
  }
}

/** A log directory written by Tessera: every checkpoint verifies, and every tile and bundle is what ours would be. */
export function tlogTesseraSuite(): SuiteResult {
  const set = openSet("tlog-tessera");
  const suite = new Suite("tlog-tessera");
  const verifierKey = set.text("log.vkey").trim();
  const read = (path: string) => (set.has(path) ? set.bytes(path) : undefined);
  for (let size = 0; size <= 15; size++) {
    suite.verdict(`checkpoint.${size}`, true, () => {
      const at = (path: string) => read(path === "checkpoint" ? `checkpoint.${size}` : path);
      if (runLogCheck({ verifierKey }, at).size !== BigInt(size)) throw new Error("another size");
    });
    if (size === 0) continue;
    suite.verdict(`tile of ${size}`, true, () => {
      const entries = decodeEntries(set.bytes(entriesPath(0n, size)), size);
      const hashes = decodeHashes(set.bytes(tilePath(0, 0n, size)), size);
      if (
        !entries.every((entry, index) =>
          equalBytes(leafHash(entry), hashes[index] ?? new Uint8Array()),
        )
      )
        throw new Error("another leaf");
    });
    suite.verdict(`growth from ${size - 1}`, true, () =>
      runLogCheck({ verifierKey, known: set.bytes(`checkpoint.${size - 1}`) }, read),
    );
  }
  suite.verdict("a checkpoint with another root", false, () => {
    const swapped = (path: string) =>
      read(path === "checkpoint" ? "checkpoint.15" : path.replace("/15", "/14"));
    return runLogCheck({ verifierKey }, swapped);
  });
  suite.verdict("a log that shrank", false, () =>
    runLogCheck({ verifierKey, known: set.bytes("checkpoint.15") }, (path) =>
      read(path === "checkpoint" ? "checkpoint.14" : path),
    ),
  );
  suite.check(
    "asks for the checkpoint first",
    checkLog({ verifierKey }).next().value === "checkpoint",
  );
  return suite.result();
}

/** A witness's answers to add-checkpoint requests, given here by our notes, checkpoints and consistency proofs. */
export function tlogTorchwoodSuite(): SuiteResult {
  const set = openSet("tlog-torchwood");
  const suite = new Suite("tlog-torchwood");
  for (const file of ["add-checkpoint-sigsum.json", "add-checkpoint-sumdb.json"]) {
    const { log, exchanges } = set.json<Transcript>(file);
    const verifier = parseVerifierKey(
      log.vkey ?? formatVerifierKey(log.origin, ed25519(log.ed25519PublicKeyHex ?? "")),
    );
    const witness = new Witness(log.origin, verifier);
    for (const [index, { request, status }] of exchanges.entries())
      suite.check(`${file} ${index + 1}: wanted ${status}`, witness.answer(request) === status);
  }
  suite.remark(
    "the signature lines in the witness's answers are its own: we sign no cosignatures yet",
  );
  return suite.result();
}

interface Transcript {
  readonly log: {
    readonly origin: string;
    readonly vkey?: string;
    readonly ed25519PublicKeyHex?: string;
  };
  readonly exchanges: readonly { readonly request: string; readonly status: number }[];
}

class Witness {
  readonly #origin: string;
  readonly #verifier: NoteVerifier;
  #last: Checkpoint | null = null;

  constructor(origin: string, verifier: NoteVerifier) {
    this.#origin = origin;
    this.#verifier = verifier;
  }

  answer(request: string): number {
    const { oldSize, proof, note } = parseAddCheckpoint(request);
    // One request has a signature with dirty pad bits: unreadable to a strict decoder, and answered like a bad signature.
    if (coded(() => claimedOrigin(note)) !== this.#origin) return 403;
    const checkpoint = coded(() => openCheckpoint(note, this.#verifier, this.#origin));
    if (checkpoint === null) return 403;
    if (oldSize !== (this.#last?.size ?? 0n)) return 409;
    if (this.#last !== null && oldSize > 0n) {
      const { size, root } = this.#last;
      if (
        coded(
          () => (checkConsistency(size, checkpoint.size, proof, root, checkpoint.root), true),
        ) === null
      )
        return 422;
    }
    this.#last = checkpoint;
    return 200;
  }
}

function coded<T>(run: () => T): T | null {
  try {
    return run();
  } catch (error) {
    if (error instanceof CodedError) return null;
    throw error;
  }
}

function parseAddCheckpoint(request: string): {
  oldSize: bigint;
  proof: Uint8Array[];
  note: Uint8Array;
} {
  const end = request.indexOf("\n\n");
  const [first = "", ...hashes] = request.slice(0, end).split("\n");
  return {
    oldSize: BigInt(first.replace(/^old /, "")),
    proof: hashes.map((hash) => decodeBase64(hash, { maxBytes: 32 })),
    note: writeUtf8(request.slice(end + 2)),
  };
}

function ed25519(hex: string): PublicKey {
  return PublicKey.fromSpki(concatBytes(decodeHex("302a300506032b6570032100"), decodeHex(hex)));
}

/** A witness and a mirror run by Sunlight: Ed25519 cosignatures verify, and the mirror's tiles give its checkpoint's root. */
export function tlogSunlightSuite(): SuiteResult {
  const set = openSet("tlog-sunlight");
  const suite = new Suite("tlog-sunlight");
  for (const [folder, keys] of [
    ["witness", "witness/witness.v0.json"],
    ["witness/mirror", "witness/mirror/mirror.v0.json"],
    ["witness2", "witness2/witness.v0.json"],
  ] as const) {
    const verifiers = set
      .json<{ verifier_keys: string[] }>(keys)
      .verifier_keys.map((key) => parseVerifierKey(key));
    for (const file of set.files.filter(
      (path) =>
        path.startsWith(`${folder}/`) &&
        path.endsWith("/checkpoint") &&
        path.split("/").length === folder.split("/").length + 2,
    ))
      suite.verdict(file, true, () => openNote(set.bytes(file), verifiers));
  }
  const mirror =
    set.files
      .find((path) => path.startsWith("witness/mirror/") && path.endsWith("/checkpoint"))
      ?.slice(0, -"checkpoint".length) ?? "";
  suite.verdict("root from the mirror's tiles", true, () => {
    const checkpoint = parseCheckpointText(parseNote(set.bytes(`${mirror}checkpoint`)).text);
    const width = Number(checkpoint.size);
    const hashes = [
      ...decodeHashes(set.bytes(mirror + tilePath(0, 0n, 256)), 256),
      ...decodeHashes(set.bytes(mirror + tilePath(0, 1n, width - 256)), width - 256),
    ];
    const [above] = decodeHashes(set.bytes(mirror + tilePath(1, 0n, 1)), 1);
    if (
      !equalBytes(hashOver(hashes), checkpoint.root) ||
      !equalBytes(hashOver(hashes.slice(0, 256)), above ?? new Uint8Array())
    )
      throw new Error("another root");
  });
  suite.skip(
    "tree/checkpoint",
    "an RFC 6962 tree head signature (type 0x05) of a Certificate Transparency log: we read none",
  );
  return suite.result();
}
