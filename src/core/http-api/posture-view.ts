import { Type } from "typebox";
import type { TProperties } from "typebox";

const closed = <T extends TProperties>(properties: T) =>
  Type.Object(properties, { additionalProperties: false });

/** What `GET /v1/posture` answers: every claim and feature with its label, every self-check with what was found. */
export const PostureView = closed({
  mode: Type.String(),
  at: Type.String(),
  source: Type.String(),
  tests: Type.Union([Type.String(), Type.Null()]),
  teeth: Type.Union([Type.String(), Type.Null()]),
  lines: Type.Array(
    closed({
      id: Type.String(),
      door: Type.String(),
      sentence: Type.String(),
      notClaimed: Type.String(),
      verifiedIn: Type.Array(Type.String()),
      confirmed: Type.Union([Type.String(), Type.Null()]),
      label: Type.String(),
      why: Type.Array(Type.String()),
    }),
  ),
  checks: Type.Array(
    closed({
      id: Type.String(),
      process: Type.String(),
      state: Type.Union([Type.Literal("on"), Type.Literal("off"), Type.Literal("not-available")]),
      need: Type.Union([Type.Literal("required"), Type.Literal("more")]),
      meaning: Type.String(),
      detail: Type.String(),
      remedy: Type.String(),
      at: Type.Union([Type.String(), Type.Null()]),
    }),
  ),
});
