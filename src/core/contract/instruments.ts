import type { ObjectReader } from "#trust";
import { limits } from "./limits.ts";

const instrumentKinds = ["counter", "gauge", "histogram"] as const;

/** A figure that an extension's manifest declares (capability `metrics`). */
export interface Instrument {
  readonly name: string;
  readonly kind: (typeof instrumentKinds)[number];
  readonly labels: readonly string[];
  /** Upper bounds of a histogram's buckets, growing; empty for the others. */
  readonly buckets: readonly number[];
}

const NAME = /^[a-z][a-z0-9_]{0,63}$/;
const LABEL = /^[a-z][a-z0-9_]{0,31}$/;
/** Whose a figure is says the runner, never the guest; `le` is a bucket's own. */
const RESERVED: readonly string[] = ["extension", "install", "tenant", "le", "quantile"];
/** Ends that stand for other kinds in Prometheus' format, so that one name never has two meanings. */
const OTHERS_ENDS = /_(?:total|bucket|sum|count|histogram)$/;
const DEFAULT_BUCKETS = [0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10];

/** Reads a list of `{name, kind, labels?, buckets?}` under `name`; a name comes once, a counter's ends in `_total`. */
export function readInstruments(reader: ObjectReader, name: string): readonly Instrument[] {
  const instruments = reader.objects(name, { max: limits.metricNames.value }, readInstrument);
  if (new Set(instruments.map((one) => one.name)).size !== instruments.length)
    reader.refuse(name, "each name once");
  return instruments;
}

function readInstrument(item: ObjectReader): Instrument {
  const [name, kind] = [
    item.string("name", { pattern: NAME }),
    item.oneOf("kind", instrumentKinds),
  ];
  if (kind === "counter" ? !name.endsWith("_total") : OTHERS_ENDS.test(name))
    item.refuse(
      "name",
      "an end in _total for a counter, and no end of Prometheus' own for another",
    );
  const labels = item.has("labels")
    ? item.strings("labels", { pattern: LABEL, maxItems: limits.metricLabels.value })
    : [];
  if (labels.some((label) => RESERVED.includes(label)) || new Set(labels).size !== labels.length)
    item.refuse("labels", `each name once, and none of ${RESERVED.join(", ")}`);
  if (item.has("buckets") && kind !== "histogram") item.refuse("buckets", "a histogram");
  const buckets = item.has("buckets") ? readBuckets(item) : DEFAULT_BUCKETS;
  return { name, kind, labels, buckets: kind === "histogram" ? buckets : [] };
}

function readBuckets(item: ObjectReader): readonly number[] {
  const buckets = item.list("buckets", { max: limits.metricBuckets.value }, (value) =>
    typeof value === "number" ? value : item.refuse("buckets", "a list of numbers"),
  );
  if (buckets.length === 0 || buckets.some((bound, i) => bound <= (buckets[i - 1] ?? -Infinity)))
    item.refuse("buckets", "at least one number, each above the one before");
  return buckets;
}
