import { createPrivateKey } from "node:crypto";
import { readdir, readFile, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { connect } from "node:tls";
import pg from "pg";
import { expect, test } from "vitest";
import { runCli } from "../e2e/run-cli.ts";
import { certificate, get, newKey, pemOf, prepare, start } from "../e2e/start-production.ts";
import type { Prepared } from "../e2e/start-production.ts";
import { until } from "../e2e/until.ts";
import { startTestDatabase } from "../store/database.ts";
import type { TestDatabase } from "../store/database.ts";

/** How a start with other settings than the right mix ends. */
async function outcomeWith(
  prepared: Prepared,
  change: Readonly<Record<string, string | undefined>>,
): Promise<string> {
  const settings = Object.fromEntries(
    Object.entries({ ...prepared.settings, ...change }).flatMap(([name, value]) =>
      value === undefined ? [] : [[name, value]],
    ),
  );
  await using run = start(settings);
  return await run.outcome;
}

const DEVELOPMENT = {
  CAISSON_MODE: "development",
  CAISSON_SAMPLES: "off",
  CAISSON_PUBLIC_HOST: undefined,
  CAISSON_TLS_CERT: undefined,
  CAISSON_TLS_KEY: undefined,
  CAISSON_KEYS_PASSPHRASE_FILE: undefined,
  CAISSON_OPERATOR_KEY_FILE: undefined,
};

test("development mode refuses to listen on anything but loopback [MODE-LOOPBACK]", async () => {
  await using prepared = await prepare();
  const said = await outcomeWith(prepared, { ...DEVELOPMENT, CAISSON_BIND: "0.0.0.0" });
  expect(said).toContain("CAISSON_BIND: development mode listens on loopback alone");
});

test("development mode listens on loopback [MODE-LOOPBACK twin]", async () => {
  await using prepared = await prepare();
  expect(await outcomeWith(prepared, DEVELOPMENT)).toBe("started");
});

test("development mode refuses a runner's door on anything but loopback, and opens one there", async () => {
  await using prepared = await prepare();
  const door = {
    ...DEVELOPMENT,
    CAISSON_RUNNER_TLS_CERT: prepared.cert,
    CAISSON_RUNNER_TLS_KEY: prepared.settings["CAISSON_TLS_KEY"],
    CAISSON_RUNNER_PORT: String(prepared.port + 4),
  };
  const said = await outcomeWith(prepared, { ...door, CAISSON_RUNNER_BIND: "0.0.0.0" });
  expect(said).toContain("CAISSON_RUNNER_BIND: development mode listens on loopback alone");
  expect(await outcomeWith(prepared, { ...door, CAISSON_RUNNER_BIND: "127.0.0.1" })).toBe(
    "started",
  );
});

test("a wrong mix of settings starts nothing, and one refusal names every wrong one [MODE-MIX]", async () => {
  await using prepared = await prepare();
  const wrong = {
    CAISSON_BIND: "everywhere",
    CAISSON_PUBLIC_HOST: "https://Example.com",
    CAISSON_TLS_PROXY: "10.0.0.1",
    CAISSON_KEYS_PASSPHRASE_FILE: join(prepared.folder, "nowhere"),
    CAISSON_OPERATOR_KEY_FILE: prepared.cert,
    CAISSON_SAMPLES: "on",
    CAISSON_PORT: "80000",
    EXT_GATEWAY_TIMEOUT_MS: "soon",
    EXT_EGRESS_ALLOWLIST: "example.com",
    DATABASE_URL: "mysql://example.com",
    CAISSON_LOG_CALLS: "some",
    RUNNER_BASE_URL: "http://runner.example.com",
    CAISSON_RUNNER_CA: "nowhere",
    CAISSON_RUNNER_BIND: "everywhere",
    CAISSON_RUNNER_PORT: "0",
  };
  const said = await outcomeWith(prepared, wrong);
  const named = Object.keys(wrong).filter((name) => said.includes(`${name}: `));
  expect(named).toEqual(Object.keys(wrong));
  for (const name of ["CERT", "KEY"])
    expect(said).toContain(`CAISSON_RUNNER_TLS_${name}: required and not set`);
  expect(said).toContain("[config.invalid]");
});

test("a right mix of settings starts [MODE-MIX twin]", async () => {
  await using prepared = await prepare();
  expect(await outcomeWith(prepared, {})).toBe("started");
});

test("without a mode nothing starts, and production starts without none of its settings", async () => {
  await using prepared = await prepare();
  expect(await outcomeWith(prepared, { CAISSON_MODE: undefined })).toContain(
    "CAISSON_MODE: required",
  );
  for (const name of [
    "CAISSON_BIND",
    "CAISSON_PUBLIC_HOST",
    "CAISSON_TLS_CERT",
    "CAISSON_TLS_KEY",
    "CAISSON_KEYS_PASSPHRASE_FILE",
    "CAISSON_OPERATOR_KEY_FILE",
  ])
    expect(await outcomeWith(prepared, { [name]: undefined })).toContain(`${name}: `);
});

/** Writes other files in place of the right ones. */
async function withPair(prepared: Prepared, cert: string, key: string): Promise<string> {
  const [certFile, keyFile] = [
    join(prepared.folder, "other.crt"),
    join(prepared.folder, "other.key"),
  ];
  await writeFile(certFile, cert);
  await writeFile(keyFile, key);
  return outcomeWith(prepared, { CAISSON_TLS_CERT: certFile, CAISSON_TLS_KEY: keyFile });
}

test("production starts with no certificate that is past its dates, for another host, or of another key [MODE-CERTIFICATE]", async () => {
  await using prepared = await prepare();
  const key = newKey();
  expect(await withPair(prepared, certificate(key, { days: -30 }), pemOf(key))).toContain(
    "is valid from",
  );
  expect(await withPair(prepared, certificate(key, { host: "example.com" }), pemOf(key))).toContain(
    "is not for localhost",
  );
  expect(await withPair(prepared, certificate(key), pemOf(newKey()))).toContain(
    "is not that of the certificate",
  );
});

test("production starts with a certificate of its key, for its host, in its dates [MODE-CERTIFICATE twin]", async () => {
  await using prepared = await prepare();
  const key = newKey();
  expect(await withPair(prepared, certificate(key), pemOf(key))).toBe("started");
});

test("production answers over TLS and not in plain; the command line trusts its CA by name", async () => {
  await using prepared = await prepare();
  await using run = start(prepared.settings);
  expect(await run.outcome).toBe("started");
  const ca = await readFile(prepared.cert, "utf8");
  const { port } = prepared;
  expect(await get(`https://localhost:${port}/healthz`, { ca })).toBe(200);
  expect(await get(`https://localhost:${port}/healthz`)).toBe("DEPTH_ZERO_SELF_SIGNED_CERT");
  await until("the gateway to be ready", async () =>
    (await get(`https://localhost:${port + 1}/healthz`, { ca })) === 200 ? true : null,
  );
  for (const at of [port, port + 1])
    expect(await get(`http://localhost:${at}/healthz`)).not.toBe(200);
  const keyFile = prepared.settings["CAISSON_OPERATOR_KEY_FILE"] ?? "";
  const login = (...more: string[]) =>
    runCli(["login", "--url", `https://localhost:${port}`, "--key-file", keyFile, ...more], {
      CAISSON_PROFILE: join(prepared.folder, "profile.json"),
    });
  expect((await login()).exit).toBe(5);
  expect((await login("--ca", prepared.cert)).exit).toBe(0);
  const made = await runCli(["tenant", "create", "first", "--json"], {
    CAISSON_PROFILE: join(prepared.folder, "profile.json"),
  });
  expect(made.exit).toBe(0);
  const posture = await runCli(["posture", "--json"], {
    CAISSON_PROFILE: join(prepared.folder, "profile.json"),
  });
  expect((posture.json as { mode: string }).mode).toBe("production");
});

/** Serial number of the certificate that the gateway shows. */
function shownBy(port: number): Promise<string> {
  return new Promise((resolve, reject) => {
    const socket = connect({ port, host: "localhost", rejectUnauthorized: false }, () => {
      resolve(socket.getPeerX509Certificate()?.serialNumber ?? "");
      socket.destroy();
    });
    socket.once("error", reject);
  });
}

test("a renewed certificate and a new operator key are taken from their files without a restart", async () => {
  await using prepared = await prepare();
  await using run = start(prepared.settings);
  expect(await run.outcome).toBe("started");
  const { settings, port, cert } = prepared;
  const before = [await shownBy(port), await shownBy(port + 1)];
  const renewed = newKey();
  await writeFile(settings["CAISSON_TLS_KEY"] ?? "", pemOf(renewed));
  await writeFile(cert, certificate(renewed));
  await until("both to show the new certificate", async () => {
    const now = [await shownBy(port), await shownBy(port + 1)];
    return now.some((serial, i) => serial === before[i]) ? null : true;
  });
  const key = `csk_${"N".repeat(43)}`;
  await writeFile(settings["CAISSON_OPERATOR_KEY_FILE"] ?? "", `${key}\n`);
  const env = {
    CAISSON_URL: `https://localhost:${port}`,
    CAISSON_CA: cert,
    CAISSON_KEY_FILE: settings["CAISSON_OPERATOR_KEY_FILE"] ?? "",
  };
  await until("the new key to open control", async () =>
    (await runCli(["tenant", "list"], env)).exit === 0 ? true : null,
  );
});

const PROXY = {
  CAISSON_TLS_CERT: undefined,
  CAISSON_TLS_KEY: undefined,
  CAISSON_TLS_PROXY: "127.0.0.3, 192.0.2.0/24",
};

async function answersFrom(localAddress: string): Promise<(number | string)[]> {
  await using prepared = await prepare();
  const settings = Object.entries({ ...prepared.settings, ...PROXY }).filter(
    ([, value]) => value !== undefined,
  );
  await using run = start(Object.fromEntries(settings) as Record<string, string>);
  expect(await run.outcome).toBe("started");
  const { port } = prepared;
  return [
    await get(`http://127.0.0.1:${port}/healthz`, { localAddress }),
    await get(`http://127.0.0.1:${port + 1}/nothing`, { localAddress }),
  ];
}

test("behind a proxy nobody but the proxy and this machine gets an answer [MODE-PROXY]", async () => {
  expect(await answersFrom("127.0.0.2")).toEqual(["ECONNRESET", "ECONNRESET"]);
});

test("behind a proxy the proxy gets answers [MODE-PROXY twin]", async () => {
  expect(await answersFrom("127.0.0.3")).toEqual([200, 404]);
});

/** Names of control's key files that open without a passphrase. */
async function openKeys(folder: string): Promise<string[]> {
  const names = (await readdir(folder)).filter((name) => name.endsWith(".pem"));
  expect(names).toHaveLength(5);
  const opened = await Promise.all(
    names.map(async (name) => {
      const pem = await readFile(join(folder, name), "utf8");
      try {
        createPrivateKey(pem);
        return [name];
      } catch {
        return [];
      }
    }),
  );
  return opened.flat();
}

test("none of control's keys lies open in production [MODE-SEALED]", async () => {
  await using prepared = await prepare();
  await outcomeWith(prepared, {});
  expect(await openKeys(join(prepared.folder, "data/keys"))).toEqual([]);
});

test("control's keys lie open in development mode [MODE-SEALED twin]", async () => {
  await using prepared = await prepare();
  expect(await outcomeWith(prepared, DEVELOPMENT)).toBe("started");
  expect(await openKeys(join(prepared.folder, "data/keys"))).toHaveLength(5);
});

test("production uses no keys that lay open in development mode [MODE-OPENED]", async () => {
  await using prepared = await prepare();
  expect(await outcomeWith(prepared, DEVELOPMENT)).toBe("started");
  expect(await outcomeWith(prepared, {})).toContain(
    "it was made in development mode and lies open",
  );
});

test("production uses keys that it sealed, under the same passphrase and no other [MODE-OPENED twin]", async () => {
  await using prepared = await prepare();
  expect(await outcomeWith(prepared, {})).toBe("started");
  expect(await outcomeWith(prepared, {})).toBe("started");
  const other = join(prepared.folder, "other-passphrase");
  await writeFile(other, "another passphrase of forty characters!!\n", { mode: 0o600 });
  expect(await outcomeWith(prepared, { CAISSON_KEYS_PASSPHRASE_FILE: other })).toContain(
    "is not the one that sealed it",
  );
});

async function asOwner({ owner }: TestDatabase, statement: string): Promise<void> {
  if (!("socketFolder" in owner)) throw new Error("the test's database is on a socket");
  const { socketFolder: host, port, user, database } = owner;
  const client = new pg.Client({ host, port, user, database });
  await client.connect();
  await client.query(statement).finally(() => client.end());
}

test("DATABASE_URL names a database of the operator's own; who may not change its schema finds it current or says so", async () => {
  await using prepared = await prepare();
  await using database = await startTestDatabase();
  if (!("socketFolder" in database.app)) throw new Error("the test's database is on a socket");
  const at = (user: string) =>
    `postgres://${user}@localhost/caisson?host=${"socketFolder" in database.app ? database.app.socketFolder : ""}`;
  const owner = { CAISSON_DATABASE_OWNER_URL: at("caisson_owner") };
  const settings = { ...prepared.settings, DATABASE_URL: at("caisson_app") };
  await asOwner(database, "alter table migration rename to migration_away");
  const behind = await outcomeWith(prepared, { DATABASE_URL: at("caisson_app") });
  expect(behind).toContain("its schema is number 0");
  expect(behind).toContain("CAISSON_DATABASE_OWNER_URL");
  await asOwner(database, "alter table migration_away rename to migration");
  expect(await outcomeWith(prepared, { ...owner, DATABASE_URL: at("caisson_app") })).toBe(
    "started",
  );
  await using run = start(settings);
  expect(await run.outcome).toBe("started");
  const ca = await readFile(prepared.cert, "utf8");
  expect(await get(`https://localhost:${prepared.port}/healthz`, { ca })).toBe(200);
});
