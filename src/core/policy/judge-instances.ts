import { allow, deny } from "./verdict.ts";
import type { Reason } from "./verdict.ts";

type Samples = Readonly<Record<string, string>>;

/** What two fresh instances of a component drew, one after the other. */
export interface InstancesFact {
  /** The engine whose state, its generator's too, a snapshot froze into the component; null: none that is known. */
  readonly engine: string | null;
  /** A runner's answer; null: no runner answered. */
  readonly trial: {
    readonly samples: readonly [Samples | null, Samples | null];
    readonly failure: string | null;
  } | null;
}

const STEP = "instances";

/** Where a component brings a frozen engine, every instance would start with the same numbers unless it draws its own. */
export function judgeInstances({ engine, trial }: InstancesFact): Reason {
  if (engine === null)
    return allow(STEP, "instances.no-snapshot", "the component brings no engine that is known");
  if (trial === null)
    return deny(
      STEP,
      "instances.unrun",
      "no runner tried two instances: publish again when one is connected",
    );
  if (trial.failure !== null) return deny(STEP, "instances.failed", trial.failure);
  const [first, second] = trial.samples;
  if (first === null || second === null)
    return deny(
      STEP,
      "instances.unsampled",
      `the component brings ${engine}, whose generator is frozen, and its handler gives no samples: build it with caisson pack`,
    );
  const alike = Object.keys({ ...first, ...second }).filter((name) => first[name] === second[name]);
  if (alike.length > 0)
    return deny(
      STEP,
      "instances.alike",
      `two fresh instances drew the same ${alike.join(", ")}: what one caller gets, every caller gets`,
    );
  return allow(
    STEP,
    "instances.differ",
    `two fresh instances differ in ${Object.keys(first).join(", ")}`,
  );
}
