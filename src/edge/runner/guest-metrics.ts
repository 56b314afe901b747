import { limits } from "#contract";
import type { GuestPoint, Instrument, PointKind } from "#contract";
import { redactSecrets } from "#platform";

/** Whose a point is, by the grant that its call ran under. */
export interface PointOwner {
  readonly extension: string;
  readonly install: string;
  /** Those that the signed config declares; none without the capability. */
  readonly instruments: readonly Instrument[];
}

interface Series {
  readonly instrument: Instrument;
  readonly labels: readonly string[];
  /** Of a histogram: the sum of what it took. */
  value: number;
  /** By bucket, of a histogram; the last one takes what is over all bounds. */
  readonly counts: number[];
}

interface InstallSeries {
  readonly extension: string;
  readonly series: Map<string, Series>;
}

/** Label values of whatever came when an install had as many series as it may. */
const OVERFLOW = "_overflow";
const KINDS: Readonly<Record<PointKind, Instrument["kind"]>> = {
  add: "counter",
  set: "gauge",
  observe: "histogram",
};

/** What extensions count, added up in the runner, by install. It holds at most limits.metricSeries of each and one more a name. */
export class GuestMetrics {
  readonly #installs = new Map<string, InstallSeries>();

  /** Null where the point is taken; else why not. point: attacker-controlled. */
  take(
    owner: PointOwner,
    { kind, name, value, labels }: GuestPoint,
  ): "undeclared" | "invalid" | null {
    const instrument = owner.instruments.find((known) => known.name === name);
    if (
      instrument === undefined ||
      instrument.kind !== KINDS[kind] ||
      instrument.labels.length !== labels.length
    )
      return "undeclared"; // stops: names and labels that nobody reviewed
    if (!Number.isFinite(value) || (kind === "add" && value < 0)) return "invalid";
    count(this.#seriesOf(owner, instrument, labels.map(redactSecrets)), value);
    return null;
  }

  #seriesOf(owner: PointOwner, instrument: Instrument, labels: readonly string[]): Series {
    const held = this.#installs.get(owner.install) ?? {
      extension: owner.extension,
      series: new Map<string, Series>(),
    };
    this.#installs.set(owner.install, held);
    const known = held.series.get(keyOf(instrument, labels));
    if (known !== undefined) return known;
    const isFull = held.series.size >= limits.metricSeries.value; // stops: a label with a value for each call
    const kept = isFull ? labels.map(() => OVERFLOW) : labels;
    const key = keyOf(instrument, kept);
    const series = held.series.get(key) ?? {
      instrument,
      labels: kept,
      value: 0,
      counts: Array.from({ length: instrument.buckets.length + 1 }, () => 0),
    };
    held.series.set(key, series);
    return series;
  }

  /** Forgets installs that this runner serves no more. */
  keep(installs: ReadonlySet<string>): void {
    for (const install of this.#installs.keys())
      if (!installs.has(install)) this.#installs.delete(install);
  }

  get series(): number {
    return [...this.#installs.values()].reduce((sum, { series }) => sum + series.size, 0);
  }

  /** Prometheus' text format 0.0.4, every name once. */
  text(): string {
    const families = new Map<string, string[]>();
    for (const [install, { extension, series }] of this.#installs)
      for (const one of series.values()) {
        const family = familyOf(one.instrument);
        const lines = families.get(family) ?? [
          `# HELP ${family} of an extension`,
          `# TYPE ${family} ${one.instrument.kind}`,
        ];
        lines.push(...linesOf(family, one, { extension, install }));
        families.set(family, lines);
      }
    return [...families.values()].map((lines) => `${lines.join("\n")}\n`).join("");
  }
}

/** With its kind and buckets: another version of an extension may declare the name otherwise. */
function keyOf(
  { kind, name, labels: names, buckets }: Instrument,
  labels: readonly string[],
): string {
  return JSON.stringify([kind, name, names, buckets, labels]);
}

function count(series: Series, value: number): void {
  const { instrument } = series;
  series.value = instrument.kind === "gauge" ? value : series.value + value;
  if (instrument.kind !== "histogram") return;
  const at = instrument.buckets.findIndex((bound) => value <= bound);
  const bucket = at < 0 ? instrument.buckets.length : at;
  series.counts[bucket] = (series.counts[bucket] ?? 0) + 1;
}

/** A kind has names of its own, so that one name has one type, whatever extensions declare. */
function familyOf({ kind, name }: Instrument): string {
  return `caisson_guest_${name}${kind === "histogram" ? "_histogram" : ""}`;
}

function linesOf(
  family: string,
  { instrument, labels, value, counts }: Series,
  owner: { readonly extension: string; readonly install: string },
): string[] {
  const pairs: [string, string][] = [
    ...Object.entries(owner),
    ...instrument.labels.map((name, i): [string, string] => [name, labels[i] ?? ""]),
  ];
  if (instrument.kind !== "histogram") return [`${family}${labelText(pairs)} ${value}`];
  let sum = 0;
  const buckets = [...instrument.buckets.map(String), "+Inf"].map((bound, i) => {
    sum += counts[i] ?? 0;
    return `${family}_bucket${labelText([...pairs, ["le", bound]])} ${sum}`;
  });
  return [
    ...buckets,
    `${family}_sum${labelText(pairs)} ${value}`,
    `${family}_count${labelText(pairs)} ${sum}`,
  ];
}

function labelText(pairs: readonly (readonly [name: string, value: string])[]): string {
  return `{${pairs.map(([name, value]) => `${name}="${escaped(value)}"`).join(",")}}`;
}

/** Stops: a value that ends its label and begins a line of its own. */
function escaped(value: string): string {
  return value.replaceAll("\\", "\\\\").replaceAll('"', '\\"').replaceAll("\n", "\\n");
}
