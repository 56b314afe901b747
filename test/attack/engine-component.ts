import { mkdtemp, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { componentize } from "componentize-qjs";
import { stripExports } from "../../src/kit/strip-exports.ts";
import { WORLD, worldText } from "../../src/kit/world.ts";

/** A component of JavaScript as the toolchain makes it, without anything of the kit's around it. */
export async function engineComponent(jsSource: string): Promise<Uint8Array> {
  const folder = await mkdtemp(join(tmpdir(), "cai-engine-"));
  try {
    const witPath = join(folder, "world.wit");
    await writeFile(witPath, await worldText([]));
    const { component } = await componentize({ witPath, jsSource, world: WORLD, sync: true });
    return stripExports(new Uint8Array(component));
  } finally {
    await rm(folder, { recursive: true, force: true });
  }
}

const ANSWER = `
import { OutgoingBody } from "caisson:ext/types@1.0.0";
const answer = (text, type) => {
  const body = new OutgoingBody();
  body.write(Uint8Array.from(text, (c) => c.charCodeAt(0)));
  return { status: 200, headers: [{ name: "content-type", value: type }], body };
};`;

/** Gives samples of the engine's own generator, which `prelude` may have seeded. */
export function samplingSource(prelude: string): string {
  return `${ANSWER}
${prelude}
export const handler = {
  handle: () => answer(JSON.stringify({ random: String(Math.random()) }), "application/vnd.caisson.sample.v1+json"),
};`;
}

/** Knows nothing of samples: answers everybody the same. */
export const SILENT_SOURCE = `${ANSWER}
export const handler = { handle: () => answer(String(Math.random()), "text/plain") };`;

/** Draws anew in each instance, on first use. */
export const SEEDED = `
import { getRandomBytes } from "wasi:random/random@0.2.0";
Math.random = () => getRandomBytes(4).reduce((sum, byte) => sum * 256 + byte, 0) / 2 ** 32;`;
