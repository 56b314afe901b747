import { limits } from "#contract";

/** Calls at once, per install and per tenant; over either bound the call is refused at once. */
export class Slots {
  readonly #byInstall = new Map<string, number>();
  readonly #byTenant = new Map<string, number>();

  #open = 0;

  /** Calls that hold a place. */
  get open(): number {
    return this.#open;
  }

  /** Null: full. Else `release` gives the place back, once. */
  take(install: {
    readonly id: string;
    readonly tenant: string;
    readonly concurrency: number;
  }): Slot | null {
    const own = this.#byInstall.get(install.id) ?? 0;
    const tenant = this.#byTenant.get(install.tenant) ?? 0;
    if (own >= install.concurrency || tenant >= limits.tenantConcurrency.value) return null;
    this.#byInstall.set(install.id, own + 1);
    this.#byTenant.set(install.tenant, tenant + 1);
    this.#open += 1;
    return new Slot(this, install.id, install.tenant);
  }

  giveBack(install: string, tenant: string): void {
    this.#open -= 1;
    decrement(this.#byInstall, install);
    decrement(this.#byTenant, tenant);
  }
}

export class Slot {
  readonly #slots: Slots;
  readonly #install: string;
  readonly #tenant: string;
  #held = true;

  constructor(slots: Slots, install: string, tenant: string) {
    this.#slots = slots;
    this.#install = install;
    this.#tenant = tenant;
  }

  release(): void {
    if (this.#held) this.#slots.giveBack(this.#install, this.#tenant);
    this.#held = false;
  }
}

function decrement(counts: Map<string, number>, key: string): void {
  const count = (counts.get(key) ?? 1) - 1;
  if (count === 0) counts.delete(key);
  else counts.set(key, count);
}
