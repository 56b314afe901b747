/** The file by which a runner tells the gateways of its machine where calls go; in the runtime folder, 0600. */
export const SANDBOX_PLACES_FILE = "sandbox.places";
/** Of so many sandboxes that were killed it still says so. */
const MAX_KILLED = 8;

/** socket: a file of the same folder. secret: 64 hex digits, new with each sandbox. */
export interface SandboxPlace {
  readonly socket: string;
  readonly secret: string;
}

export interface SandboxPlaces {
  /** Takes new calls; null: none does now. */
  readonly current: SandboxPlace | null;
  /** Sockets of sandboxes that did not come back and were killed (rung 4), newest last. */
  readonly killed: readonly string[];
}

const SOCKET = "sandbox-[0-9a-f]{6}\\.sock";
const CURRENT = new RegExp(`^current (${SOCKET}) ([0-9a-f]{64})$`);
const KILLED = new RegExp(`^killed (${SOCKET})$`);
const MAX_TEXT = 1_024;

export function sandboxPlacesText({ current, killed }: SandboxPlaces): string {
  const lines = [
    ...(current === null ? [] : [`current ${current.socket} ${current.secret}`]),
    ...killed.slice(-MAX_KILLED).map((socket) => `killed ${socket}`),
  ];
  return lines.map((line) => `${line}\n`).join("");
}

/** Null for a text that no runner wrote. */
export function parseSandboxPlaces(text: string): SandboxPlaces | null {
  if (text.length > MAX_TEXT) return null;
  let current: SandboxPlace | null = null;
  const killed: string[] = [];
  for (const line of text.split("\n").filter((each) => each !== "")) {
    const [, socket, secret] = CURRENT.exec(line) ?? [];
    const [, dead] = KILLED.exec(line) ?? [];
    if (socket !== undefined && secret !== undefined && current === null)
      current = { socket, secret };
    else if (dead !== undefined) killed.push(dead);
    else return null;
  }
  return { current, killed };
}
