import { mkdtemp, readdir, readFile, rename, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { expect, test } from "vitest";
import { digestOf } from "#trust";
import { BuildError, BuildStore } from "./build-store.ts";

const ENGINE = "ab".repeat(32);
const component = digestOf("file", new TextEncoder().encode("component"));
const code = new TextEncoder().encode("native code");

async function withStore(work: (store: BuildStore, dir: string) => Promise<void>): Promise<void> {
  const dir = await mkdtemp(join(tmpdir(), "caisson-builds-"));
  try {
    const store = await BuildStore.open(dir);
    await store.write(component, ENGINE, code);
    await work(store, dir);
  } finally {
    await rm(dir, { recursive: true, force: true });
  }
}

async function file(dir: string, kind: string): Promise<string> {
  return join(dir, (await readdir(dir)).find((name) => name.endsWith(kind)) ?? "");
}

async function flip(path: string, from: string, to: string): Promise<void> {
  await writeFile(path, (await readFile(path, "latin1")).replace(from, to), "latin1");
}

async function coded(work: Promise<unknown>, code: string): Promise<void> {
  const error: unknown = await work.catch((thrown: unknown) => thrown);
  expect(error).toBeInstanceOf(BuildError);
  expect(error).toMatchObject({ code });
}

test("BuildStore.read() gives back what this runner built, after a restart too", () =>
  withStore(async (store, dir) => {
    expect((await store.read(component, ENGINE))?.code).toEqual(Buffer.from(code));
    expect((await (await BuildStore.open(dir)).read(component, ENGINE))?.digest).toBe(
      digestOf("build", code),
    );
  }));

test("BuildStore.read() refuses changed code", () =>
  withStore(async (store, dir) => {
    await flip(await file(dir, ".code"), "native", "nativE");
    await coded(store.read(component, ENGINE), "build.digest");
  }));

test("BuildStore.read() refuses a changed MAC, a changed body and a record that is none", () =>
  withStore(async (store, dir) => {
    const path = await file(dir, ".record");
    const original = await readFile(path, "utf8");
    const { body, mac } = JSON.parse(original) as { body: string; mac: string };
    const changed = (hex: string) =>
      hex.startsWith("0") ? `1${hex.slice(1)}` : `0${hex.slice(1)}`;
    await writeFile(path, JSON.stringify({ body, mac: changed(mac) }));
    await coded(store.read(component, ENGINE), "build.mac");
    await writeFile(path, JSON.stringify({ body: changed(body), mac }));
    await coded(store.read(component, ENGINE), "build.mac");
    await writeFile(path, "{}");
    await coded(store.read(component, ENGINE), "build.record");
  }));

test("BuildStore.read() refuses a build of another component or another engine under this one's name", () =>
  withStore(async (store, dir) => {
    const other = digestOf("file", new TextEncoder().encode("other"));
    const engine = `${ENGINE.slice(0, 16)}${"0".repeat(48)}`;
    await coded(store.read(component, engine), "build.fingerprint");
    for (const kind of ["code", "record"])
      await rename(
        await file(dir, `.${kind}`),
        join(dir, `${other.slice(7)}-${ENGINE.slice(0, 16)}.${kind}`),
      );
    await coded(store.read(other, ENGINE), "build.component");
  }));

test("BuildStore.read() refuses a record made under another runner's key", () =>
  withStore(async (store, dir) => {
    await rm(join(dir, "mac.key"));
    const stranger = await BuildStore.open(dir);
    await coded(stranger.read(component, ENGINE), "build.mac");
    expect(await store.read(component, ENGINE)).not.toBeNull();
  }));
