// Put around every TypeScript handler: an exception that nobody catches is written to the log with the author's files and lines, then it ends the call.
const [MAX_FRAMES, MAX_MESSAGE, MAX_FRAME] = [16, 1_000, 200];
const FRAME = /^\s*at (.*) \(componentize-qjs:user\.js:(\d+):(\d+)\)$/;

/** write: of capability `log`, or null where the extension does not ask for it; lines: see lineOf. */
export function guarded(handler, write, lines) {
  if (typeof handler?.handle !== "function")
    throw new TypeError("src/index.ts must export `handler`, an object with a function `handle`");
  return (request) => {
    try {
      const response = handler.handle(request);
      if (typeof response?.then === "function")
        throw new TypeError("handle returned a promise: it must return the response itself");
      return response;
    } catch (error) {
      if (write !== null) write("error", describe(error, lines));
      throw error;
    }
  };
}

function describe(error, lines) {
  try {
    const text = (
      error instanceof Error ? `${error.name}: ${error.message}` : `thrown: ${String(error)}`
    ).slice(0, MAX_MESSAGE);
    return [text, ...framesOf(error, lines)].join("\n");
  } catch {
    return "an exception that has no text";
  }
}

/** Only the author's own frames: what stands around them is the kit's. */
function framesOf(error, lines) {
  const table = lines.split(";");
  return String(error?.stack ?? "")
    .split("\n")
    .flatMap((text) => {
      const [, name, line, column] = FRAME.exec(text) ?? [];
      const place = line === undefined ? null : lineOf(table, Number(line), Number(column));
      return place === null ? [] : [`    at ${name} (${place})`.slice(0, MAX_FRAME)];
    })
    .slice(0, MAX_FRAMES);
}

/** table: the names of the files, separated by "|", then for each line of the bundle its parts, separated by ",": column, file and line in base 36. */
function lineOf([files, ...table], line, column) {
  let place = null;
  for (const part of (table[line - 1] ?? "").split(",")) {
    const [from, file, number] = part.split(".").map((text) => Number.parseInt(text, 36));
    if (file !== undefined && (place === null || from < column))
      place = `${files.split("|")[file]}:${number}`;
  }
  return place;
}
