import type { Posture, PostureCheck, PostureLine } from "./posture.ts";
import { postureLabels } from "./label.ts";

const DOORS: Readonly<Record<string, string>> = {
  publish: "Publish",
  install: "Install",
  load: "Load",
  call: "Call",
  verify: "Offline verification",
  api: "Management API",
  start: "Start",
  other: "What is no refusal",
};

/** The posture as one page without scripts: read from top to bottom, on a phone as well. */
export function posturePage(posture: Posture): string {
  return `<!doctype html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<title>Caisson: posture</title>
<link rel="stylesheet" href="/posture.css">
</head>
<body>
<header>
<h1>Posture</h1>
<p>What this Caisson claims, shown by the tests that passed on these very sources and by what its processes find in themselves now.</p>
${summary(posture)}
</header>
<main>
${Object.entries(DOORS)
  .map(([door, title]) => section(title, linesOf(posture, door)))
  .join("\n")}
<section aria-labelledby="checks"><h2 id="checks">Self-checks</h2>
<p>Each process looks at itself every ten seconds; what was not heard for thirty is off.</p>
${posture.checks.map(checkCard).join("\n")}
</section>
</main>
<footer><p>Labels: <strong>Enforced</strong>, the refusal test with its accepting twin passed on these sources, taking the check out turns it red, and the live self-check agrees. <strong>Shipped</strong>, it works and an operator may turn it off. <strong>Beta</strong>, it works and its interface may change. <strong>Partial / do-not-rely</strong>, anything less.</p></footer>
</body>
</html>
`;
}

function linesOf({ lines }: Posture, door: string): PostureLine[] {
  return lines.filter((line) => line.door === door);
}

function summary({ mode, at, source, tests, teeth, lines, checks }: Posture): string {
  const counts = postureLabels.map((label) => {
    const count = lines.filter((line) => line.label === label).length;
    return `<li>${badge(label)} ${count}</li>`;
  });
  const off = checks.filter(({ state, need }) => state !== "on" && need === "required").length;
  const rows: readonly (readonly [string, string])[] = [
    [
      "Mode",
      mode === "development" ? `${mode}: asked for by name; loopback only, keys as files` : mode,
    ],
    ["Sources", source.slice(0, 16)],
    ["Tests", tests ?? "not run here"],
    ["Teeth", teeth ?? "not run here"],
    ["Self-checks", off === 0 ? "all required ones are on" : `${off} required ones are not on`],
    ["Looked at", at],
  ];
  const facts = rows.map(([name, value]) => `<dt>${name}</dt><dd>${escape(value)}</dd>`).join("");
  return `<ul class="counts">${counts.join("")}</ul>\n<dl>${facts}</dl>`;
}

function section(title: string, lines: readonly PostureLine[]): string {
  if (lines.length === 0) return "";
  const id = title.toLowerCase().replaceAll(" ", "-");
  return `<section aria-labelledby="${id}"><h2 id="${id}">${title}</h2>\n${lines.map(card).join("\n")}\n</section>`;
}

function card({
  id,
  label,
  sentence,
  notClaimed,
  verifiedIn,
  confirmed,
  why,
}: PostureLine): string {
  const verified = verifiedIn.map((name) => `<li>${escape(name)}</li>`).join("");
  const limits = notClaimed === "" ? "" : `<p>Not claimed: ${escape(notClaimed)}</p>`;
  const reasons = why.map((text) => `<li>${escape(text)}</li>`).join("");
  return `<article id="${escape(id)}">
<h3>${escape(id)} ${badge(label)}</h3>
<p>${escape(sentence)}</p>${limits}
${reasons === "" ? "" : `<ul class="why">${reasons}</ul>`}
<details><summary>Verified in ${verifiedIn.length === 0 ? "no test" : "tests"}, confirmed ${escape(confirmed ?? "not run here")}</summary><ul>${verified}</ul></details>
</article>`;
}

function checkCard({
  id,
  process,
  state,
  need,
  meaning,
  detail,
  remedy,
  at,
}: PostureCheck): string {
  const found = detail === "" ? "" : `<p>Found: ${escape(detail)}</p>`;
  const todo = state === "on" ? "" : `<p>To do: ${escape(remedy)}</p>`;
  return `<article>
<h3>${escape(id)} <span class="state ${state}">${state === "not-available" ? "not available" : state}</span></h3>
<p>${escape(process)}: ${escape(meaning)}${need === "more" ? " (a further layer; no claim rests on it)" : ""}</p>${found}${todo}
<p class="when">${escape(at ?? "never heard")}</p>
</article>`;
}

function badge(label: string): string {
  return `<span class="label ${label.split(" ")[0]?.toLowerCase() ?? ""}">${escape(label)}</span>`;
}

function escape(text: string): string {
  return text.replaceAll(/[&<>"']/g, (char) => `&#${char.charCodeAt(0)};`);
}

export const POSTURE_CSS = `:root { color-scheme: light dark; --text: #16202b; --soft: #51606f; --line: #d5dce3; --page: #f6f8fa; --card: #ffffff;
  --good: #0b6b3a; --fair: #1b5fae; --open: #8a5a00; --bad: #a8201a; }
@media (prefers-color-scheme: dark) { :root { --text: #e6ebf0; --soft: #a3b0bd; --line: #2d3945; --page: #10161c; --card: #18212a;
  --good: #5fd39a; --fair: #7db8ff; --open: #f0b84d; --bad: #ff8a80; } }
* { box-sizing: border-box; }
body { margin: 0; font: 16px/1.5 system-ui, sans-serif; color: var(--text); background: var(--page); overflow-wrap: anywhere; }
header, main, footer { max-width: 60rem; margin: 0 auto; padding: 1rem; }
h1 { font-size: 1.75rem; margin: .5rem 0; }
h2 { font-size: 1.25rem; margin: 2rem 0 .75rem; border-bottom: 1px solid var(--line); padding-bottom: .25rem; }
h3 { font-size: 1rem; margin: 0 0 .25rem; display: flex; flex-wrap: wrap; gap: .5rem; align-items: center; justify-content: space-between; }
p { margin: .25rem 0; }
article { background: var(--card); border: 1px solid var(--line); border-radius: .5rem; padding: .75rem 1rem; margin: .5rem 0; }
dl { display: grid; grid-template-columns: max-content 1fr; gap: .25rem 1rem; margin: 1rem 0 0; }
dt, .when, details, footer { color: var(--soft); }
dd { margin: 0; }
.counts { list-style: none; display: flex; flex-wrap: wrap; gap: .5rem 1.25rem; padding: 0; margin: 1rem 0 0; }
.label, .state { font-size: .8125rem; font-weight: 600; border: 1px solid currentcolor; border-radius: 1rem; padding: 0 .6rem; white-space: nowrap; }
.enforced, .on { color: var(--good); }
.shipped { color: var(--fair); }
.beta, .not-available { color: var(--open); }
.partial, .off { color: var(--bad); }
.why { margin: .25rem 0; padding-left: 1.25rem; }
details { margin-top: .25rem; font-size: .875rem; }
summary { cursor: pointer; min-height: 1.75rem; }
:focus-visible { outline: 3px solid var(--fair); outline-offset: 2px; }
`;
