import { readFile } from "node:fs/promises";
import { join } from "node:path";
import { readEnrolment } from "#link";

/**
 * Text of the enrolment files that a former start left, where each of them names control at `url`; null otherwise. Edges that
 * read such files may start beside control: what they serve is what they keep, verified again, until control answers.
 */
export async function keptEnrolments(
  data: string,
  url: string,
  edges: readonly string[],
): Promise<string | null> {
  try {
    const paths = edges.map((edge) => join(data, `edge/${edge}.json`));
    const enrolments = await Promise.all(paths.map(readEnrolment));
    // Whoever listens at another address since would be shown the edge's token.
    if (enrolments.some((enrolment) => enrolment.url !== url)) return null;
    return (await Promise.all(paths.map((path) => readFile(path, "utf8")))).join("\n");
  } catch {
    return null; // the first start, or a file that control writes anew
  }
}
