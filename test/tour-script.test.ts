import { expect, test } from "vitest";
import { begins, readTour, shows } from "../scripts/tour-script.ts";

test("readTour() takes commands and what they print out of console blocks, and nothing else", () => {
  const text =
    "# A\n```sh\nnot me\n```\n```console\n$ one  # why\nsays 1\n\n$ two\n```\n```console\n^C\nstopped\n```\n";
  expect(readTour(text)).toEqual([
    { command: "one", expected: ["says 1"] },
    { command: "two", expected: [] },
    { command: "^C", expected: ["stopped"] },
  ]);
});

test("shows() wants every line, but for what is marked", () => {
  expect(shows(["a  b"], "a b\n")).toBe(true);
  expect(shows(["a", "b"], "a\n")).toBe(false);
  expect(shows(["a"], "a\nb\n")).toBe(false);
  expect(shows(["id … done"], "id 17 done\n")).toBe(true);
  expect(shows(["id … done"], "id 17\n done\n")).toBe(false);
  expect(shows(["a", "…", "z"], "a\nb\nc\nz\n")).toBe(true);
  expect(shows(["a", "…"], "a\nb\n")).toBe(true);
  expect(shows(["a.c"], "abc\n")).toBe(false);
});

test("begins() leaves open what follows", () => {
  expect(begins(["a", "…", "ready"], "a\nx\nready\nmore\n")).toBe(true);
  expect(begins(["ready"], "not\n")).toBe(false);
});
