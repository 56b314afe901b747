/** A publisher's or extension's name (interfaces §1). */
export const NAME_PATTERN = /^[a-z0-9][a-z0-9-]{0,38}$/;
const SEMVER =
  /^(0|[1-9]\d{0,8})\.(0|[1-9]\d{0,8})\.(0|[1-9]\d{0,8})(?:-([0-9A-Za-z-]+(?:\.[0-9A-Za-z-]+)*))?$/;

export type ExtensionId = string & { readonly __extensionId: true };
export type Version = string & { readonly __version: true };

export interface ExtensionName {
  readonly publisher: string;
  readonly name: string;
}

/** text: attacker-controlled, `publisher.name`. Null where it is not that. */
export function parseExtensionId(text: string): ExtensionName | null {
  return splitName(text, ".");
}

/** The OCI repository `publisher/name`; the one other spelling of an extension id. */
export function parseRepository(text: string): ExtensionName | null {
  return splitName(text, "/");
}

function splitName(text: string, separator: string): ExtensionName | null {
  if (text.length > 79) return null;
  const [publisher = "", name = "", ...rest] = text.split(separator);
  return rest.length === 0 && NAME_PATTERN.test(publisher) && NAME_PATTERN.test(name)
    ? { publisher, name }
    : null;
}

export function extensionId({ publisher, name }: ExtensionName): ExtensionId {
  return `${publisher}.${name}` as ExtensionId; // both parts were parsed
}

export function repositoryOf({ publisher, name }: ExtensionName): string {
  return `${publisher}/${name}`;
}

/** Semantic Versioning 2.0.0 without build metadata (a tag cannot hold "+"). */
export function parseVersion(text: string): Version | null {
  return text.length <= 64 && SEMVER.test(text) ? (text as Version) : null; // the pattern is the brand's rule
}

/** Negative, zero or positive, by Semantic Versioning 2.0.0, clause 11. */
export function compareVersions(a: Version, b: Version): number {
  const [left, right] = [partsOf(a), partsOf(b)];
  for (let i = 0; i < 3; i++) {
    const difference = (left.numbers[i] ?? 0) - (right.numbers[i] ?? 0);
    if (difference !== 0) return difference;
  }
  return comparePrereleases(left.prerelease, right.prerelease);
}

function partsOf(version: Version): { numbers: number[]; prerelease: string[] } {
  const dash = version.indexOf("-");
  const numbers = (dash < 0 ? version : version.slice(0, dash)).split(".").map(Number);
  return { numbers, prerelease: dash < 0 ? [] : version.slice(dash + 1).split(".") };
}

function comparePrereleases(a: readonly string[], b: readonly string[]): number {
  if (a.length === 0 || b.length === 0) return b.length - a.length;
  for (let i = 0; i < Math.min(a.length, b.length); i++) {
    const difference = compareIdentifiers(a[i] ?? "", b[i] ?? "");
    if (difference !== 0) return difference;
  }
  return a.length - b.length;
}

function compareIdentifiers(a: string, b: string): number {
  const [numericA, numericB] = [/^\d+$/.test(a), /^\d+$/.test(b)];
  if (numericA && numericB) return Number(a) - Number(b);
  if (numericA !== numericB) return numericA ? -1 : 1;
  if (a === b) return 0;
  return a < b ? -1 : 1;
}
