/** One seeded change to a bundle's bytes or JSON: of the kinds that an attacker or a broken writer makes. */
export function mutate(bytes: Uint8Array, other: Uint8Array, random: () => number): Uint8Array {
  const pick = <T>(items: readonly T[]): T | undefined =>
    items[Math.floor(random() * items.length)];
  if (random() < 0.15) return flipByte(bytes, random);
  const json: unknown = JSON.parse(Buffer.from(bytes).toString());
  const donor: unknown = JSON.parse(Buffer.from(other).toString());
  const changes = 1 + Math.floor(random() * 2);
  for (let change = 0; change < changes; change++) {
    const slot = pick(slots(json));
    if (slot !== undefined) changeSlot(slot, slots(donor), random);
  }
  return new Uint8Array(Buffer.from(JSON.stringify(json)));
}

interface Slot {
  readonly path: string;
  readonly owner: Record<string, unknown>;
  readonly name: string;
}

function slots(value: unknown, path = ""): Slot[] {
  if (typeof value !== "object" || value === null) return [];
  // Lists have index names, so that one walk serves both.
  const owner = value as Record<string, unknown>;
  return Object.keys(owner).flatMap((name) => [
    { path: `${path}.${name}`, owner, name },
    ...slots(owner[name], `${path}.${name}`),
  ]);
}

function changeSlot(slot: Slot, donor: readonly Slot[], random: () => number): void {
  const value = slot.owner[slot.name];
  const twin = donor.find((candidate) => candidate.path === slot.path);
  const kind = Math.floor(random() * 8);
  if (kind === 0) delete slot.owner[slot.name];
  else if (kind === 1) slot.owner[slot.name] = twin?.owner[twin.name];
  else if (kind === 2) slot.owner[`${slot.name}x`] = value;
  else if (kind === 3 && Array.isArray(slot.owner)) slot.owner.push(value);
  else slot.owner[slot.name] = changeValue(value, random);
}

function changeValue(value: unknown, random: () => number): unknown {
  if (typeof value !== "string") return random() < 0.5 ? null : [value];
  if (/^\d+$/.test(value) && random() < 0.7)
    return [String(Number(value) + 1), Number(value), `0${value}`, `-${value}`, ""][
      Math.floor(random() * 5)
    ];
  const at = Math.floor(random() * value.length);
  const letter = "AQgw+/=-_ \n0"[Math.floor(random() * 12)] ?? "A";
  switch (Math.floor(random() * 4)) {
    case 0:
      return value.slice(0, at) + letter + value.slice(at + 1);
    case 1:
      return value.slice(0, at) + value.slice(at + 1);
    case 2:
      return value + letter;
    default:
      return value.replace(/=*$/, "");
  }
}

function flipByte(bytes: Uint8Array, random: () => number): Uint8Array {
  const copy = Uint8Array.from(bytes);
  const at = Math.floor(random() * copy.length);
  copy[at] = (copy[at] ?? 0) ^ (1 << Math.floor(random() * 8));
  return copy;
}
