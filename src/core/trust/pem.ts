import { decodeBase64 } from "./encodings.ts";
import { TrustError } from "./trust-error.ts";
import { quote } from "./coded-error.ts";

export const MAX_PEM_BYTES = 1_048_576;
const MAX_PEM_BLOCKS = 256;
const MAX_BLOCK_BYTES = 65_536;

export interface PemBlock {
  readonly label: string;
  readonly der: Uint8Array;
  /** From 1, in the order of the file. */
  readonly position: number;
}

/**
 * Splits PEM text into its RFC 7468 blocks; text between blocks is commentary, as the RFC allows.
 * Throws TrustError "anchors.malformed" for a block that is open, nested, mislabelled, with headers, or not strict base64.
 */
export function splitPem(text: string): readonly PemBlock[] {
  if (text.length > MAX_PEM_BYTES)
    malformed(`it has ${text.length} characters, wanted at most ${MAX_PEM_BYTES}`);
  const blocks: PemBlock[] = [];
  let open: { label: string; lines: string[] } | null = null;
  for (const raw of text.split(/\r\n|\n|\r/)) {
    const line = raw.trimEnd();
    const [, edge, label] =
      /^-----(BEGIN|END) ([A-Z0-9]+(?:[ -][A-Z0-9]+)*)-----$/.exec(line) ?? [];
    if (edge === undefined || label === undefined) {
      if (line.includes("-----")) malformed(`wanted a whole boundary line, not ${quote(line)}`);
      open?.lines.push(line);
    } else if (edge === "BEGIN") {
      if (open !== null) malformed(`block ${quote(open.label)} has no end`);
      open = { label, lines: [] };
    } else {
      if (open === null || open.label !== label)
        malformed(`wanted an end for the block that is open, not for ${quote(label)}`);
      blocks.push(closeBlock(open, blocks.length + 1));
      open = null;
    }
    if (blocks.length > MAX_PEM_BLOCKS) malformed(`wanted at most ${MAX_PEM_BLOCKS} blocks`);
  }
  if (open !== null) malformed(`block ${quote(open.label)} has no end`);
  return blocks;
}

function closeBlock(open: { label: string; lines: readonly string[] }, position: number): PemBlock {
  const { label, lines } = open;
  try {
    return { label, der: decodeBase64(lines.join(""), { maxBytes: MAX_BLOCK_BYTES }), position };
  } catch (cause) {
    throw new TrustError(
      "anchors.malformed",
      `cannot read PEM block ${position} (${quote(label)}): wanted base64 and nothing else`,
      { cause },
    );
  }
}

function malformed(why: string): never {
  throw new TrustError("anchors.malformed", `cannot read PEM: ${why}`);
}
