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
