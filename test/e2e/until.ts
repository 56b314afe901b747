import { setTimeout as pause } from "node:timers/promises";

const EVERY_MS = 30;

/** Asks until the answer is there. Throws with `what` when it does not come in time: a hang, not a slow machine. */
export async function until<T>(
  what: string,
  ask: () => Promise<T | null>,
  withinMs = 60_000,
): Promise<T> {
  for (const end = Date.now() + withinMs; Date.now() < end; await pause(EVERY_MS)) {
    const answer = await ask();
    if (answer !== null) return answer;
  }
  throw new Error(`waited ${withinMs} ms for ${what}`);
}

const SETTLE_MS = 5_000;

/** Asks until the answer is `settled`, or for a while: what was answered last, for the test to judge. */
export async function lastAnswer<T>(
  ask: () => Promise<T>,
  settled: (answer: T) => boolean,
  withinMs = SETTLE_MS,
): Promise<T> {
  const end = Date.now() + withinMs;
  for (;;) {
    const answer = await ask();
    if (settled(answer) || Date.now() > end) return answer;
    await pause(EVERY_MS);
  }
}
