export type { Posture, PostureCheck, PostureLine, PostureParts } from "./posture.ts";
export { PostureDesk } from "./posture.ts";
export { POSTURE_CSS, posturePage } from "./posture-page.ts";
export { postureLabels } from "./label.ts";
export { features } from "./features.ts";
export { SelfChecks } from "./self-checks.ts";
export { sourceDigest } from "./source-digest.ts";
export type { TestRun } from "./test-runs.ts";
export { mergeRuns, readTestRun, RUN_FILES, runText } from "./test-runs.ts";
