import { randomBytes } from "node:crypto";
import { createServer } from "node:http";
import type { IncomingMessage, Server, ServerResponse } from "node:http";
import type { AddressInfo } from "node:net";
import {
  documentTimes,
  encodeBase64,
  ObjectReader,
  parseStrictJson,
  sealDocument,
  trustRootJson,
  uuidText,
  BUNDLE_MEDIA_TYPE,
} from "#trust";
import {
  classOf,
  configOverBound,
  Fence,
  grantHandle,
  handleHex,
  INDEX_MEDIA_TYPE,
  limits,
  MANIFEST_MEDIA_TYPE,
  MAX_BATCH_BYTES,
  openGrant,
  parseExecutionBatch,
  parseLogBatch,
  sealFence,
  sealGrant,
  sealSnapshot,
} from "#contract";
import type {
  ConfigValues,
  ExecutionBatch,
  ExtensionConfig,
  Grant,
  LogRecord,
  SnapshotInstall,
} from "#contract";
import { judgeConfig } from "#policy";
import { newApiKey, newId, readBounded, systemClock } from "#platform";
import { writeEnrolment } from "#link";
import { join } from "node:path";
import { LocalKv } from "./local-kv.ts";
import { KitError } from "./kit-error.ts";
import { LocalPublisher, newKey } from "./local-publisher.ts";
import { keyHash } from "./local-key.ts";
import type { Packed } from "./pack.ts";
import type { SignedArtifact } from "./sign.ts";

const HEARTBEAT_MS = 250;
const RESEAL_MS = 30_000;
const VALID_MS = 24 * 3_600_000;
const GRANT_VALID_MS = 30 * VALID_MS;

/** The processes that enrol with this control. */
export const LOCAL_EDGES = ["broker", "runner", "gateway"] as const;

/** A call as its record tells it, as far as an author's tools need it. */
export interface LocalCall {
  readonly execution: string;
  readonly requestId: string;
  readonly logLines: number;
}

export interface LocalEvents {
  readonly onLog: (record: LogRecord) => void;
  readonly onCall: (call: LocalCall) => void;
}

interface Granted {
  readonly artifact: SignedArtifact;
  readonly document: Uint8Array;
  readonly handle: string;
  readonly install: SnapshotInstall;
}

/**
 * What stands in control's place on an author's machine: one tenant, one install, keys made for this run. It speaks to a
 * runner and a gateway as control does, so that they judge, limit and record as everywhere.
 */
export class LocalControl implements AsyncDisposable {
  readonly apiKey = newApiKey();
  readonly #events: LocalEvents;
  readonly #config: ConfigValues;
  readonly #publisher = new LocalPublisher(new Date());
  readonly #state = newKey("ed25519");
  readonly #root = newKey("ed25519");
  readonly #edgeToken = randomBytes(32).toString("base64url");
  readonly #tenant = newId("tenant");
  readonly #install = newId("install");
  readonly #key = newId("apiKey");
  readonly #server: Server;
  readonly #streams = new Set<ServerResponse>();
  readonly #fences = new Set<ServerResponse>();
  readonly #trials = new Set<ServerResponse>();
  readonly #timers: NodeJS.Timeout[];
  readonly #kv = new LocalKv(systemClock);
  #epoch = Date.now();
  #serving: Granted | null = null;
  #newest = newApiKey();
  #building: (Granted & { readonly done: (failure: string | null) => void }) | null = null;

  /** config: what to set of the names that the extension declares. */
  constructor(events: LocalEvents, config: ConfigValues) {
    this.#events = events;
    this.#config = config;
    this.#server = createServer((request, response) => void this.#answer(request, response));
    this.#timers = [
      setInterval(() => this.#beat(), HEARTBEAT_MS),
      setInterval(() => this.#sendState(), RESEAL_MS),
    ];
  }

  async listen(): Promise<void> {
    await new Promise<void>((resolve, reject) =>
      this.#server.once("error", reject).listen(0, "127.0.0.1", resolve),
    );
  }

  /** Writes what its edges know of this control; the files are 0600. */
  async enrol(data: string): Promise<void> {
    const { port } = this.#server.address() as AddressInfo; // listening on TCP
    const enrolment = {
      url: `http://127.0.0.1:${port}`,
      ca: null,
      edge: newId("edge"),
      stateKey: this.#state.publicKey,
      trustRootKey: this.#root.publicKey,
      edgeToken: this.#edgeToken,
    };
    for (const edge of LOCAL_EDGES)
      await writeEnrolment(join(data, `edge/${edge}.json`), enrolment);
  }

  /**
   * Grants what is packed all that it asks for; what served before goes on until the runner serves it. Resolves with a key
   * that a gateway knows once it has the snapshot that routes to it. Throws KitError "load.refused".
   */
  async offer(packed: Packed): Promise<string> {
    const granted = this.#grant(packed);
    const failure = await new Promise<string | null>((done) => {
      this.#building = { ...granted, done };
      this.#sendState();
    });
    this.#building = null;
    if (failure !== null)
      throw new KitError("load.refused", `cannot run ${granted.install.extension}: ${failure}`);
    this.#serving = granted;
    this.#newest = newApiKey();
    this.#sendState();
    return this.#newest;
  }

  #grant(packed: Packed): Granted {
    const { config, digest } = packed;
    const now = new Date();
    const extension = `${config.publisher}.${config.name}`;
    this.#requireValues(config);
    const grant: Grant = {
      tenant: this.#tenant,
      install: this.#install,
      extension,
      version: config.version,
      contentHash: digest,
      capabilities: config.capabilities,
      egress: config.egress,
      config: this.#config,
      limits: {
        ...config.limits,
        responseBytes: limits.bodyBytes.value,
        logBytes: limits.logBytes.value,
        logLines: limits.logLines.value,
        concurrency: limits.installConcurrency.value,
      },
      trustClass: "shared",
      epoch: ++this.#epoch,
    };
    const document = sealGrant(grant, timesFor(now, GRANT_VALID_MS), this.#state);
    const handle = handleHex(grantHandle(openGrant(document, this.#state.publicKey, now)));
    const install: SnapshotInstall = {
      tenant: this.#tenant,
      id: this.#install,
      extension,
      version: config.version,
      contentHash: digest,
      signer: this.#publisher.key.spkiDigest,
      state: "ready",
      handle,
      endpoints: config.endpoints,
      deadlineMs: config.limits.deadlineMs,
      class: classOf(config.limits),
      concurrency: limits.installConcurrency.value,
    };
    return { artifact: this.#publisher.release(packed, now), document, handle, install };
  }

  /** Said here with the names; the runner's load door judges it again. */
  #requireValues({ values }: ExtensionConfig): void {
    const said = judgeConfig({
      declared: values,
      given: this.#config,
      overBound: configOverBound(this.#config),
    });
    if (said.outcome !== "allow")
      throw new KitError("load.refused", `cannot run it: ${said.detail}`);
  }

  async #answer(request: IncomingMessage, response: ServerResponse): Promise<void> {
    const path = request.url ?? "";
    if (request.headers.authorization !== `Bearer ${this.#edgeToken}`)
      return void response.writeHead(401).end();
    try {
      if (path === "/v1/edge/stream") return this.#attach(response);
      if (path === "/v1/edge/fence") return this.#attachFence(response);
      if (path === "/v1/edge/trials") return this.#attachTrials(response);
      if (request.method === "POST") {
        const body = await bodyOf(request);
        if (path === "/v1/edge/kv") return void response.end(this.#kv.answer(Buffer.from(body)));
        this.#take(path, body);
        return void response.end("{}");
      }
      const bytes = this.#file(path);
      response.writeHead(bytes === null ? 404 : 200).end(bytes ?? undefined);
    } catch {
      response.writeHead(400).end();
    }
  }

  #attach(response: ServerResponse): void {
    response.writeHead(200, { "content-type": "application/x-ndjson" });
    this.#streams.add(response);
    response.on("close", () => this.#streams.delete(response));
    const root = { ...trustRootJson(this.#publisher.trustRoot), ...timesFor(new Date(), VALID_MS) };
    send(response, "trust-root", sealDocument("trust-root", root, this.#root));
    send(response, "snapshot", this.#snapshot());
  }

  #attachFence(response: ServerResponse): void {
    response.writeHead(200, { "content-type": "application/x-ndjson" });
    this.#fences.add(response);
    response.on("close", () => this.#fences.delete(response));
    response.write(`${JSON.stringify({ kind: "line", id: newId("request") })}\n`);
    send(response, "fence", this.#fence());
  }

  /** Nothing is admitted here, so nothing is ever asked on it. */
  #attachTrials(response: ServerResponse): void {
    response.writeHead(200, { "content-type": "application/x-ndjson" });
    this.#trials.add(response);
    response.on("close", () => this.#trials.delete(response));
  }

  #take(path: string, body: Uint8Array): void {
    if (path === "/v1/edge/logs") parseLogBatch(body).forEach(this.#events.onLog);
    else if (path === "/v1/edge/executions")
      callsOf(parseExecutionBatch(body)).forEach(this.#events.onCall);
    else if (path === "/v1/edge/builds") this.#takeBuild(body);
  }

  #takeBuild(body: Uint8Array): void {
    const reader = ObjectReader.of(parseStrictJson(body, { maxBytes: 65_536 }), "build report");
    const handle = reader.string("handle", { max: 64 });
    const failure = reader.optionalString("failure", { max: 2_000 }) ?? null;
    if (handle === this.#building?.handle) this.#building.done(failure);
  }

  /** The registry's routes, for the artifacts that are granted. */
  #file(path: string): Uint8Array | null {
    for (const { artifact } of this.#granted()) {
      const { publisher, name } = artifact.config;
      const base = `/v2/${publisher}/${name}`;
      if (path === `${base}/manifests/${artifact.digest}`) return artifact.manifest;
      if (path === `${base}/manifests/${artifact.referrerDigest}`) return artifact.referrer;
      if (path === `${base}/referrers/${artifact.digest}`) return referrersOf(artifact);
      const blob = artifact.blobs.get(path.slice(`${base}/blobs/`.length));
      if (path.startsWith(`${base}/blobs/`) && blob !== undefined) return blob;
    }
    return null;
  }

  #granted(): Granted[] {
    return [this.#serving, this.#building].filter((granted) => granted !== null);
  }

  #snapshot(): Uint8Array {
    const snapshot = {
      epoch: ++this.#epoch,
      fenceEpoch: 0,
      keys: [
        { id: this.#key, tenant: this.#tenant, hash: keyHash(this.apiKey), call: true },
        { id: newId("apiKey"), tenant: this.#tenant, hash: keyHash(this.#newest), call: false },
      ],
      installs: this.#serving === null ? [] : [this.#serving.install],
      grants: this.#granted().map((granted) => ({
        document: granted.document,
        building: granted === this.#building,
      })),
      greatestAgeMs: limits.snapshotAgeMs.value,
    };
    return sealSnapshot(snapshot, timesFor(new Date(), VALID_MS), this.#state);
  }

  #fence(): Uint8Array {
    return sealFence(new Fence(0, []), timesFor(new Date(), VALID_MS), this.#state);
  }

  #sendState(): void {
    const [fence, snapshot] = [this.#fence(), this.#snapshot()];
    for (const response of this.#fences) send(response, "fence", fence);
    for (const response of this.#streams) send(response, "snapshot", snapshot);
  }

  #beat(): void {
    for (const response of [...this.#streams, ...this.#fences, ...this.#trials])
      response.write(`${JSON.stringify({ kind: "heartbeat" })}\n`);
  }

  async [Symbol.asyncDispose](): Promise<void> {
    for (const timer of this.#timers) clearInterval(timer);
    await new Promise((resolve) => {
      this.#server.close(resolve);
      this.#server.closeAllConnections();
    });
  }
}

function timesFor(now: Date, validMs: number): ReturnType<typeof documentTimes> {
  return documentTimes(now, new Date(now.getTime() + validMs));
}

function send(response: ServerResponse, kind: string, document: Uint8Array): void {
  response.write(`${JSON.stringify({ kind, document: encodeBase64(document) })}\n`);
}

function referrersOf({ referrer, referrerDigest }: SignedArtifact): Uint8Array {
  return new TextEncoder().encode(
    JSON.stringify({
      schemaVersion: 2,
      mediaType: INDEX_MEDIA_TYPE,
      manifests: [
        {
          mediaType: MANIFEST_MEDIA_TYPE,
          digest: referrerDigest,
          size: referrer.length,
          artifactType: BUNDLE_MEDIA_TYPE,
        },
      ],
    }),
  );
}

async function bodyOf(request: IncomingMessage): Promise<Uint8Array> {
  const body = await readBounded(request, MAX_BATCH_BYTES);
  if (body === null) throw new KitError("local.failed", "an edge sent too much");
  return body;
}

function callsOf(batch: ExecutionBatch): LocalCall[] {
  const idAt = (ids: Uint8Array, i: number) => uuidText(ids.subarray(16 * i, 16 * i + 16));
  return Array.from({ length: batch.count }, (_, i) => ({
    execution: idAt(batch.ids, i),
    requestId: idAt(batch.requestIds, i),
    logLines: batch.usage.logLines[i] ?? 0,
  }));
}
