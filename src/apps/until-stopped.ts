/** A terminal's Ctrl-C reaches this process more than once: from the terminal, and from those that started it. */
const ONE_PRESS_MS = 1_000;

/** Resolves at the first SIGINT or SIGTERM; a second one, a moment later, ends the process at once. */
export function untilStopped(): Promise<void> {
  return new Promise((resolve) => {
    let first = Number.POSITIVE_INFINITY;
    const onSignal = () => {
      const now = performance.now();
      if (now - first > ONE_PRESS_MS) process.kill(process.pid, "SIGKILL");
      first = Math.min(first, now);
      resolve();
    };
    for (const signal of ["SIGINT", "SIGTERM"] as const) process.on(signal, onSignal);
  });
}
