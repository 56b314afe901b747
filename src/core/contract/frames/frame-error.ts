import { CodedError } from "#trust";

/** Codes of both codecs; a peer that sends such a frame loses its connection. */
export class FrameError extends CodedError<
  | "frame.length"
  | "frame.type"
  | "frame.flags"
  | "frame.reserved"
  | "frame.truncated"
  | "frame.trailing"
  | "frame.utf8"
  | "frame.bound"
> {
  override readonly name = "FrameError";
}
