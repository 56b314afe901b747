import { FENCE_ALL, fenceScopes } from "../../src/core/contract/index.ts";
import { call, operations } from "../../src/core/http-api/index.ts";
import type { FenceScope } from "../../src/core/contract/index.ts";
import type { ApiAddress } from "../../src/core/http-api/index.ts";
import type { Signer } from "../../src/core/trust/index.ts";
import type { SignedArtifact } from "../../src/kit/index.ts";
import { pack } from "../e2e/caisson.ts";
import type { Caisson } from "../e2e/caisson.ts";
import { trust } from "../e2e/start-caisson.ts";
import { newSigner } from "../fakes/releases.ts";

export const scopes: readonly FenceScope[] = fenceScopes;
export const halts: readonly FenceScope[] = ["all", "tenant", "extension", "install"];

/** What a verb said: the entry's reason code, and how the edges stand to it. */
export interface Stopped {
  readonly missing: readonly string[];
  readonly killed: number;
  readonly installs: number;
}

export async function stop(
  address: ApiAddress,
  scope: FenceScope,
  id: string,
  dryRun = false,
): Promise<Stopped> {
  const body = { scope, id, reason: "test", dryRun };
  const { missing, edges, stops } = await call(address, operations.fenceSet, { body });
  const killed = edges.reduce((sum, edge) => sum + edge.killed, 0);
  return { missing, killed, installs: stops.installs };
}

export async function resume(address: ApiAddress, scope: FenceScope, id: string): Promise<void> {
  await call(address, operations.fenceLift, { body: { scope, id } });
}

/** A publisher with a key and an extension of its own, so that revoking any of them is no other case's business. */
export class FenceCase {
  readonly caisson: Caisson;
  readonly name: string;
  readonly signer: Signer;

  static async make(caisson: Caisson, name: string): Promise<FenceCase> {
    const made = new FenceCase(caisson, name, newSigner());
    await call(caisson.operator, operations.publisherCreate, {
      body: { name, tenant: caisson.north.id },
    });
    await trust(caisson.operator, made.signer.publicKey, { publishers: [name] });
    return made;
  }

  private constructor(caisson: Caisson, name: string, signer: Signer) {
    this.caisson = caisson;
    this.name = name;
    this.signer = signer;
  }

  get extension(): string {
    return `${this.name}.thing`;
  }

  async pack(version = "1.0.0", guest = "hello"): Promise<SignedArtifact> {
    const packed = await pack({ publisher: this.name, name: "thing", version, guest });
    return this.caisson.sign(packed, this.signer);
  }

  publish(artifact: SignedArtifact): Promise<string> {
    return this.caisson.publish(artifact);
  }

  install(version = "1.0.0"): Promise<string> {
    return this.caisson.install(this.caisson.north, this.extension, { version });
  }

  /** Published, installed for north and known to the gateway. */
  async serve(): Promise<SignedArtifact> {
    const artifact = await this.pack();
    const said = [await this.publish(artifact), await this.install()].join(", ");
    if (said !== "admitted, ready") throw new Error(`cannot serve ${this.extension}: ${said}`);
    await this.caisson.untilRouted(this.caisson.north, this.extension);
    return artifact;
  }

  /** The id under which a scope names this case. */
  async id(scope: FenceScope, artifact: SignedArtifact | null): Promise<string> {
    switch (scope) {
      case "all":
        return FENCE_ALL;
      case "tenant":
        return this.caisson.north.id;
      case "extension":
        return this.extension;
      case "install":
        return this.#installId();
      case "digest":
        return artifact?.digest ?? "";
      case "publisher":
        return this.name;
      case "key":
        return this.signer.publicKey.spkiDigest;
      default:
        return scope satisfies never;
    }
  }

  async #installId(): Promise<string> {
    const params = { tenant: this.caisson.north.id, extension: this.extension };
    return (await call(this.caisson.north, operations.installShow, { params })).id;
  }

  /** What the gateway answers: a code, or the status of an answer. */
  async answer(): Promise<string> {
    const { north } = this.caisson;
    const { status, code } = await this.caisson.call(north.key, `/api/ext/${this.extension}/`);
    return code === "" ? String(status) : code;
  }
}
