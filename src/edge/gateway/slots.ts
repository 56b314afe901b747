import { limits } from "#contract";

/** Calls inside now. */
interface Count {
  inside: number;
}

/** Where the calls of one install are counted. */
export interface Place {
  readonly install: Count;
  readonly tenant: Count;
  readonly all: Count;
  readonly concurrency: number;
}

interface CountedInstall {
  readonly id: string;
  readonly tenant: string;
  readonly concurrency: number;
}

/** Calls at once, per install and per tenant; over either bound the call is refused at once. */
export class Slots {
  readonly #all: Count = { inside: 0 };
  #byInstall = new Map<string, Count>();
  #byTenant = new Map<string, Count>();

  /** Calls that hold a place. */
  get open(): number {
    return this.#all.inside;
  }

  /** The places of a new snapshot's installs, in their order: who is inside stays counted. */
  placesOf(installs: readonly CountedInstall[]): readonly Place[] {
    this.#byInstall = occupied(this.#byInstall);
    this.#byTenant = occupied(this.#byTenant);
    return installs.map(({ id, tenant, concurrency }) => ({
      install: countOf(this.#byInstall, id),
      tenant: countOf(this.#byTenant, tenant),
      all: this.#all,
      concurrency,
    }));
  }
}

/** False: full. Else `leave` gives the place back; call it once. */
export function enter(place: Place): boolean {
  const { install, tenant, all, concurrency } = place;
  if (install.inside >= concurrency || tenant.inside >= limits.tenantConcurrency.value)
    return false;
  install.inside++;
  tenant.inside++;
  all.inside++;
  return true;
}

export function leave({ install, tenant, all }: Place): void {
  install.inside--;
  tenant.inside--;
  all.inside--;
}

function occupied(counts: ReadonlyMap<string, Count>): Map<string, Count> {
  return new Map([...counts].filter(([, { inside }]) => inside > 0));
}

function countOf(counts: Map<string, Count>, id: string): Count {
  const count = counts.get(id) ?? { inside: 0 };
  counts.set(id, count);
  return count;
}
