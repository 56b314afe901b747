import { expect, test } from "vitest";

import { refusal } from "../../../test/fakes/refusal.ts";
import { newSigner } from "../../../test/fakes/releases.ts";
import { formatCheckpoint, openCheckpoint, parseCheckpointText } from "./checkpoint.ts";
import { EMPTY_ROOT } from "./merkle.ts";
import { writeUtf8 } from "./encodings.ts";
import { noteSigner, openNote, parseNote, parseVerifierKey, signNote } from "./note.ts";

const ONE = noteSigner("one.example/log", newSigner("ed25519"));
const TWO = noteSigner("two.example", newSigner("ed25519"));
const known = (...signers: readonly { verifierKey: string }[]) =>
  signers.map((signer) => parseVerifierKey(signer.verifierKey));
const edit = (note: Uint8Array, from: string | RegExp, to: string) =>
  writeUtf8(Buffer.from(note).toString().replace(from, to));

test("openNote() accepts a note by known keys, ignores unknown ones, and counts a key that signed twice once", () => {
  const note = signNote("text\n\nmore\n", [ONE, TWO, ONE]);
  expect(openNote(note, known(ONE)).verifiedBy).toHaveLength(1);
  expect(openNote(note, known(ONE, TWO)).verifiedBy).toHaveLength(2);
  expect(openNote(note, known(TWO)).text).toBe("text\n\nmore\n");
});

test("openNote() refuses a note with a bad signature of a known key beside a good one, and one without a known key", () => {
  const note = signNote("text\n", [ONE, TWO]);
  // One of the two is another character than the one that stands there.
  const [forged = note] = ["A", "B"]
    .map((character) => edit(note, /(one\.example\/log .{20})./, `$1${character}`))
    .filter((bytes) => !Buffer.from(bytes).equals(note));
  const other = edit(forged, "", "");
  expect(refusal(() => openNote(note, known(ONE, TWO)))).toBe("accepted");
  expect(refusal(() => openNote(other, known(ONE, TWO)))).toBe("signature.invalid");
  expect(refusal(() => openNote(other, known(TWO)))).toBe("accepted");
  expect(refusal(() => openNote(note, []))).toBe("note.unverified");
  expect(refusal(() => openNote(edit(note, "text", "test"), known(ONE)))).toBe("signature.invalid");
});

test("parseNote() refuses notes without a text, an empty line, signatures, or with control characters", () => {
  const [good] = [Buffer.from(signNote("text\n", [ONE])).toString()];
  expect(refusal(() => parseNote(writeUtf8(good)))).toBe("accepted");
  for (const bad of [
    good.trimEnd(),
    "text\n\n",
    "text\n— a b\n",
    good.replace("text", "te\u0007xt"),
    good.replace("—", "-"),
    `${good}\n`,
    good.replace("one.example", "one+example"),
    "",
  ])
    expect([bad, refusal(() => parseNote(writeUtf8(bad)))]).toEqual([bad, "note.malformed"]);
  expect(refusal(() => parseNote(writeUtf8(good + "— a AAAAAAAA\n".repeat(64))))).toBe(
    "note.malformed",
  );
  expect(refusal(() => parseNote(writeUtf8(good + "— a AAAAAAAA\n".repeat(15))))).toBe("accepted");
});

test("parseVerifierKey() refuses a hash of another key or name, and unknown types", () => {
  const key = ONE.verifierKey;
  expect(refusal(() => parseVerifierKey(key))).toBe("accepted");
  expect(refusal(() => parseVerifierKey(key.replace("one", "two")))).toBe("key.malformed");
  expect(refusal(() => parseVerifierKey(`${key} `))).toBe("key.malformed");
  expect(refusal(() => parseVerifierKey(key.replace(/\+A/, "+B")))).toMatch(/^key\./);
  expect(refusal(() => noteSigner("a b", newSigner("ed25519")))).toBe("key.malformed");
  expect(refusal(() => noteSigner("a", newSigner("p256")))).toBe("key.unsupported");
});

test("openCheckpoint() accepts the log's own checkpoint and refuses another origin, an empty line and odd sizes", () => {
  const [verifier] = known(ONE);
  if (verifier === undefined) throw new Error("one verifier");
  const text = formatCheckpoint({ origin: ONE.name, size: 0n, root: EMPTY_ROOT, extensions: [] });
  expect(openCheckpoint(signNote(text, [ONE]), verifier)).toMatchObject({
    origin: ONE.name,
    size: 0n,
  });
  expect(refusal(() => openCheckpoint(signNote(text.replace("one", "two"), [ONE]), verifier))).toBe(
    "checkpoint.origin",
  );
  expect(refusal(() => openCheckpoint(signNote(`${text}\nx\n`, [ONE]), verifier))).toBe(
    "checkpoint.malformed",
  );
  for (const bad of [
    text.replace("\n0\n", "\n00\n"),
    text.replace("\n0\n", "\n-1\n"),
    text.replace("\n0\n", "\n9999999999999999999\n"),
    text.replace("47", "4"),
    "",
    "\n\n\n",
  ])
    expect(refusal(() => parseCheckpointText(bad))).toMatch(/^(checkpoint|base64)\.malformed$/);
});
