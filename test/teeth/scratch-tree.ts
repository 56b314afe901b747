import { execFileSync } from "node:child_process";
import {
  cpSync,
  mkdirSync,
  mkdtempSync,
  readFileSync,
  rmSync,
  statSync,
  symlinkSync,
  writeFileSync,
} from "node:fs";
import { tmpdir } from "node:os";
import { dirname, join } from "node:path";
import type { SourceEdit } from "../claims/claim.ts";

/** A copy of the sources in which checks may be taken out; the installed packages are those of the clone. */
export class ScratchTree implements Disposable {
  readonly root = mkdtempSync(join(tmpdir(), "cai-teeth-"));

  constructor(clone: string) {
    const listed = execFileSync("git", ["ls-files", "-z", "-co", "--exclude-standard"], {
      cwd: clone,
      encoding: "utf8",
      maxBuffer: 64 * 1_048_576,
    });
    const isFile = (path: string) =>
      statSync(join(clone, path), { throwIfNoEntry: false })?.isFile();
    for (const path of listed.split("\0").filter(isFile)) {
      mkdirSync(dirname(join(this.root, path)), { recursive: true });
      cpSync(join(clone, path), join(this.root, path));
    }
    symlinkSync(join(clone, "node_modules"), join(this.root, "node_modules"));
  }

  /** Applies the edits, runs, puts the sources back. Throws where an edit does not fit exactly once. */
  async with<T>(edits: readonly SourceEdit[], run: () => Promise<T>): Promise<T> {
    const before = new Map(edits.map(({ file }) => [file, this.#read(file)]));
    try {
      for (const { file, find, replace } of edits) {
        const text = this.#read(file);
        if (text.split(find).length !== 2)
          throw new Error(`the tooth does not fit: ${file} holds ${find} not exactly once`);
        writeFileSync(
          join(this.root, file),
          text.replace(find, () => replace),
        );
      }
      return await run();
    } finally {
      for (const [file, text] of before) writeFileSync(join(this.root, file), text);
    }
  }

  #read(file: string): string {
    return readFileSync(join(this.root, file), "utf8");
  }

  [Symbol.dispose](): void {
    rmSync(this.root, { recursive: true, force: true });
  }
}
