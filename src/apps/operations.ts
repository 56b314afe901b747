import type { EnvReader } from "#platform";

export type Env = Readonly<Record<string, string | undefined>>;

/** Where each process's operations server listens, above the port of control (CAISSON_PORT). */
const OFFSETS = { supervisor: 10, control: 11, gateway: 12, runner: 13, broker: 14 } as const;
const DEFAULT_PORT = 8_700;

export function operationsPort(base: number, name: keyof typeof OFFSETS): number {
  return base + OFFSETS[name];
}

/** `CAISSON_OPS_PORT`; 0: any that is free. */
export function readOperationsPort(reader: EnvReader, name: keyof typeof OFFSETS): number {
  const fallback = operationsPort(DEFAULT_PORT, name);
  return reader.int("CAISSON_OPS_PORT", { min: 0, max: 65_535, default: fallback });
}

export function operationsPorts(base: number): number[] {
  return Object.values(OFFSETS).map((offset) => base + offset);
}

/** Where control answers the edges of this machine, past TLS and proxy. */
export function edgeDoorPort(base: number): number {
  return base === 0 ? 0 : base + 3;
}
