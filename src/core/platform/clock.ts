/** The time, as an argument: verifiers and judges read none themselves. */
export interface Clock {
  now(): Date;
}

export const systemClock: Clock = { now: () => new Date() };

export function fixedClock(text: string): Clock {
  const at = new Date(text);
  return { now: () => at };
}
