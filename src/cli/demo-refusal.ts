import { join } from "node:path";
import { fileURLToPath } from "node:url";
import type { Command } from "commander";
import { ApiError } from "#http-api";
import { assemble, attachBundle, packFolder, readPublisherKey, signPacked } from "#kit";
import { digestOf } from "#trust";
import { publish } from "./author-commands.ts";
import { progress } from "./output.ts";
import type { OutputOptions } from "./output.ts";
import { localData } from "./profile.ts";

const TINY = fileURLToPath(new URL("../../extensions/tiny", import.meta.url));

/** The proven sample with one byte of its component changed, under the signature of the unchanged one. */
export function demoRefusal(program: Command): void {
  program
    .command("demo-refusal")
    .description("push a sample with one byte changed, and see the publish door refuse it")
    .option("--json", "print JSON")
    .action(async (options: OutputOptions) => {
      const packed = await packFolder(TINY);
      const signed = signPacked(
        packed,
        await readPublisherKey(join(localData(), "dev/publisher.pem"), null),
        new Date(),
      );
      const [configBytes = new Uint8Array(), component = new Uint8Array()] = [
        ...packed.blobs.values(),
      ];
      const changed = component.slice();
      const at = changed.length - 1;
      changed[at] = (changed[at] ?? 0) ^ 1;
      const bundle = [...signed.blobs].find(
        ([digest]) =>
          !packed.blobs.has(digest) && digest !== digestOf("file", new TextEncoder().encode("{}")),
      );
      const tampered = attachBundle(
        assemble(configBytes, packed.config, changed),
        bundle?.[1] ?? new Uint8Array(),
      );
      progress(
        `signed   ${packed.digest}\npushing  ${tampered.digest} (byte ${at} of the component changed) under the same signature`,
      );
      // By digest: the tag of an admitted version does not move.
      await publish(tampered, options, "digest").catch((error: unknown) => {
        if (error instanceof ApiError) progress("refused, as it must be:");
        throw error;
      });
    });
}
