/** One figure over all rounds: medians, and the ratio's range. */
export interface Row {
  readonly id: string;
  readonly ours: number;
  readonly peer: number;
  /** Median over rounds of ours ÷ peer. */
  readonly ratio: number;
  readonly unit: string;
  readonly rounds: number;
  /** Least and greatest ratio. */
  readonly spread: readonly [least: number, greatest: number];
}

export interface Pair {
  readonly ours: number;
  readonly peer: number;
}

export function rowOf(id: string, unit: string, pairs: readonly Pair[]): Row {
  const ratios = pairs.map(({ ours, peer }) => ours / peer);
  return {
    id,
    ours: round(median(pairs.map(({ ours }) => ours))),
    peer: round(median(pairs.map(({ peer }) => peer))),
    ratio: round(median(ratios)),
    unit,
    rounds: pairs.length,
    spread: [round(Math.min(...ratios)), round(Math.max(...ratios))],
  };
}

/** The least value that 99 of 100 do not pass. */
export function p99(values: readonly number[]): number {
  const sorted = values.toSorted((a, b) => a - b);
  return sorted[Math.ceil(sorted.length * 0.99) - 1] ?? NaN;
}

function median(values: readonly number[]): number {
  const sorted = values.toSorted((a, b) => a - b);
  const middle = sorted.length / 2;
  return ((sorted[Math.ceil(middle) - 1] ?? NaN) + (sorted[Math.floor(middle)] ?? NaN)) / 2;
}

/** Four digits that count. */
function round(value: number): number {
  return Number(value.toPrecision(4));
}
