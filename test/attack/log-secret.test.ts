import { randomBytes } from "node:crypto";
import { afterAll, beforeAll, expect, test } from "vitest";
import type { Caisson } from "../e2e/caisson.ts";
import { serveSource } from "../e2e/serve-source.ts";
import { startCaisson } from "../e2e/start-caisson.ts";
import { until } from "../e2e/until.ts";

/** Logs the lines of its request's body, then one that tells the end. */
const SOURCE = `
import { write } from "caisson:ext/log@1.0.0";
import { OutgoingBody } from "caisson:ext/types@1.0.0";
export const handler = {
  handle(request) {
    for (const line of JSON.parse(new TextDecoder().decode(request.body.readAll(100_000)))) write("info", line);
    return { status: 200, headers: [], body: new OutgoingBody() };
  },
};
`;

let caisson: Caisson;
beforeAll(async () => {
  caisson = await startCaisson();
  await serveSource(caisson, {
    name: "talker",
    source: SOURCE,
    capabilities: { log: {} },
    deadlineMs: 5_000,
    endpoints: [{ method: "POST", path: "/" }],
  });
});
afterAll(() => caisson[Symbol.asyncDispose]());

/** The lines as control stored them. */
async function stored(lines: readonly string[]): Promise<unknown[]> {
  const end = `end ${randomBytes(8).toString("hex")}`;
  await caisson.call(caisson.north.key, "/api/ext/acme.talker/", {
    method: "POST",
    body: Buffer.from(JSON.stringify([...lines, end])),
  });
  const rows = await until("the lines", async () => {
    const found = await caisson.sql(
      `select message from extension_log where execution_id =
         (select execution_id from extension_log where message = $1) order by seq`,
      [end],
    );
    return found.length > lines.length ? found : null;
  });
  return rows.slice(0, -1).map(({ message }) => message);
}

test("a guest's line is stored without what looks like a secret in it [LOG-SECRET]", async () => {
  const key = `csk_${randomBytes(32).toString("base64url")}`;
  const body = randomBytes(48).toString("base64");
  const said = await stored([
    `called with ${key}`,
    "authorization: Bearer abcdefgh12345678",
    `-----BEGIN PRIVATE KEY-----\n${body}\n-----END PRIVATE KEY-----`,
  ]);
  expect(said).toEqual([
    "called with [redacted:api-key]",
    "authorization: Bearer [redacted:credential]",
    "[redacted:private-key]",
  ]);
});

test("a guest's line that only resembles one is stored as it is [LOG-SECRET twin]", async () => {
  const lines = [
    "called with csk_something",
    "the bearer of this asked for authorization: none given",
    "-----BEGIN CERTIFICATE-----",
  ];
  expect(await stored(lines)).toEqual(lines);
});
