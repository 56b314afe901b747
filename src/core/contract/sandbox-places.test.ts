import { expect, test } from "vitest";
import { parseSandboxPlaces, sandboxPlacesText } from "#contract";

const place = { socket: "sandbox-0a1b2c.sock", secret: "ab".repeat(32) };

test("parseSandboxPlaces() reads what sandboxPlacesText() wrote", () => {
  for (const places of [
    { current: null, killed: [] },
    { current: place, killed: [] },
    { current: place, killed: ["sandbox-000001.sock", "sandbox-000002.sock"] },
    { current: null, killed: ["sandbox-000001.sock"] },
  ])
    expect(parseSandboxPlaces(sandboxPlacesText(places))).toEqual(places);
});

test("sandboxPlacesText() remembers the last of those that were killed", () => {
  const killed = Array.from({ length: 30 }, (_, n) => `sandbox-0000${10 + n}.sock`);
  expect(parseSandboxPlaces(sandboxPlacesText({ current: null, killed }))?.killed).toEqual(
    killed.slice(-8),
  );
});

test("parseSandboxPlaces() refuses what leads out of its folder and what is no line of its own", () => {
  const line = sandboxPlacesText({ current: place, killed: [] });
  for (const text of [
    line.replace("sandbox-", "../sandbox-"),
    line.replace("0a1b2c", "0A1B2C"),
    line.replace("ab", ""),
    line + line,
    `${line}lost sandbox-0a1b2c.sock\n`,
    "killed \n",
    "x".repeat(2_000),
  ])
    expect(parseSandboxPlaces(text), text).toBeNull();
});
