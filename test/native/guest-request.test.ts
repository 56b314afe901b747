import { readFile } from "node:fs/promises";
import { expect, test } from "vitest";

type Parts = Record<string, unknown>;
const NAMES = ["method", "path", "query", "params", "headers", "body"];

/** `sdk/guest/request.js` with these takers in place of the adapter's functions; the names that were taken, in order. */
async function guestRequests(): Promise<{ next: () => Parts; taken: string[] }> {
  const source = await readFile(new URL("../../sdk/guest/request.js", import.meta.url), "utf8");
  const text = source.replace(/^import .*$/m, "").replace("export function", "function");
  const taken: string[] = [];
  const takers = NAMES.map((name) => () => `${name} ${taken.push(name)}`);
  const next = new Function(...NAMES, `${text}\nreturn nextRequest;`)(...takers) as () => Parts;
  return { next, taken };
}

test("a part of the request is taken when it is read, once, and not where the handler has set it", async () => {
  const { next, taken } = await guestRequests();
  const request = next();
  expect([taken, Object.keys(request)]).toEqual([[], NAMES]);
  expect([request["path"], request["path"]]).toEqual(["path 1", "path 1"]);
  request["query"] = "own";
  expect({ ...request }).toMatchObject({ path: "path 1", query: "own", method: "method 2" });
  expect(taken).toEqual(["path", "method", "params", "headers", "body"]);
});

test("a second call sees nothing of the first one's request", async () => {
  const { next } = await guestRequests();
  const [first, second] = [next(), next()];
  first["path"] = "of the first";
  expect(second["path"]).toBe("path 1");
});
