// UTF-8 by compiled code, for a release.
import { decode as decodeInside, encode as encodeInside } from "caisson:inside/text";
import { decode as decodePortable, encode as encodePortable } from "caisson-kit:portable-text.js";

export { decodeReplacing } from "caisson-kit:portable-text.js";

/** While the component is built, its top level runs without the adapter. */
export let encode = encodePortable;
export let decode = decodePortable;

export function nowCalled() {
  encode = encodeInside;
  decode = decodeInside;
}
