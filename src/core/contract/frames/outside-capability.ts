import { FrameError } from "./frame-error.ts";

/** Capabilities that reach outside the sandbox, by their number in CALL and RESULT. */
export const outsideNumbers = { "http.fetch": 2, "storage.kv": 4 } as const;
export type OutsideCapability = keyof typeof outsideNumbers;

export const outsideCapabilities = Object.keys(outsideNumbers) as readonly OutsideCapability[]; // keys of the table

/** Throws FrameError "frame.bound". */
export function outsideCapability(number: number): OutsideCapability {
  for (const [name, known] of Object.entries(outsideNumbers))
    if (known === number) return name as OutsideCapability; // a key of the table
  throw new FrameError("frame.bound", "cannot read frame: unknown capability");
}
