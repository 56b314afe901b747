/** A shape that flattening does not know: the component stays as it is. */
export class NotFlattened extends Error {
  override readonly name = "NotFlattened";
}
