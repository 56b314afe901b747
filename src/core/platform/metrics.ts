import { collectDefaultMetrics, Counter, Gauge, Histogram, Registry } from "prom-client";
import { metricTable } from "#contract";
import type { MetricDefinition, MetricName, ProcessName } from "#contract";

type Table = typeof metricTable;
type NameOf<Kind> = {
  [Name in MetricName]: Table[Name]["kind"] extends Kind ? Name : never;
}[MetricName];
/** Every label of the metric, each with its value. */
export type LabelsOf<Name extends MetricName> = Readonly<
  Record<Table[Name]["labels"][number], string>
>;

/** What one process counts; names, labels and buckets stand in the table of `#contract`. */
export class Metrics {
  readonly #registry = new Registry();
  readonly #counters = new Map<string, Counter>();
  readonly #histograms = new Map<string, Histogram>();
  readonly #more: (() => string)[] = [];
  readonly #process: ProcessName;

  constructor(process: ProcessName) {
    this.#process = process;
    for (const [name, definition] of Object.entries<MetricDefinition>(metricTable))
      if (definition.of.includes(process)) this.#add(name, definition);
  }

  #add(name: string, { kind, help, labels, buckets = [] }: MetricDefinition): void {
    const shared = { name, help, labelNames: [...labels], registers: [this.#registry] };
    if (kind === "counter") this.#counters.set(name, new Counter(shared));
    else if (kind === "histogram")
      this.#histograms.set(name, new Histogram({ ...shared, buckets: [...buckets] }));
    // A gauge is read when it is asked for: see `show`.
  }

  /** Of a metric that this process does not show: nothing happens, so that a part need not know where it runs. */
  count<Name extends NameOf<"counter">>(name: Name, labels: LabelsOf<Name>, by = 1): void {
    this.#counters.get(name)?.inc(labels, by);
  }

  /** value: in the unit of the metric's name. */
  observe<Name extends NameOf<"histogram">>(
    name: Name,
    value: number,
    labels: LabelsOf<Name>,
  ): void {
    this.#histograms.get(name)?.observe(labels, value);
  }

  /** The gauge's value is what `read` answers at each look. */
  show(name: NameOf<"gauge">, read: () => number | Promise<number>): void {
    const { of, help }: MetricDefinition = metricTable[name];
    if (!of.includes(this.#process)) return;
    const gauge = new Gauge({
      name,
      help,
      registers: [],
      async collect() {
        this.set(await read());
      },
    });
    this.#registry.registerMetric(gauge);
  }

  /** Adds text of the same format, whose names are none of the table's. */
  append(read: () => string): void {
    this.#more.push(read);
  }

  /** Adds what Node shows of every process: CPU, memory, event loop, collections. */
  showProcess(): void {
    collectDefaultMetrics({ register: this.#registry });
  }

  /** Prometheus' text format 0.0.4. */
  async text(): Promise<string> {
    const own = await this.#registry.metrics();
    return own + this.#more.map((read) => read()).join("");
  }

  get contentType(): string {
    return this.#registry.contentType;
  }
}
