import fc from "fast-check";
import { expect, test } from "vitest";
import { parseTarget } from "./request-target.ts";

test("parseTarget() reads extension, path and query", () => {
  expect(parseTarget("/api/ext/acme.hello/a/b%20c?x=1&x=2")).toEqual({
    extension: "acme.hello",
    segments: ["a", "b c"],
    path: "/a/b c",
    query: "x=1&x=2",
  });
  expect(parseTarget("/api/ext/acme.hello")).toMatchObject({ segments: [], path: "/" });
  expect(parseTarget("/api/ext/acme.hello/")).toMatchObject({ segments: [], path: "/" });
});

test.each([
  "/api/ext/acme.hello/../other.ext/x",
  "/api/ext/acme.hello/%2e%2e/x",
  "/api/ext/acme.hello/%2E./x",
  "/api/ext/acme.hello/a%2fb",
  "/api/ext/acme.hello/a%5Cb",
  "/api/ext/acme.hello/a\\b",
  "/api/ext/acme.hello/a%00",
  "/api/ext/acme.hello//x",
  "/api/ext/acme.hello/%ff",
  "/api/ext/../v1/tenants",
  "/api/ext/ACME.hello/",
])("parseTarget() refuses %s", (url) => {
  expect(parseTarget(url)).toBe("malformed");
});

test("parseTarget() refuses a target that is too long", () => {
  expect(parseTarget(`/api/ext/acme.hello/${"a".repeat(9_000)}`)).toBe("malformed");
});

test("parseTarget() never gives a segment that another parser could read as a separator or a dot", () => {
  fc.assert(
    fc.property(fc.string({ unit: "binary-ascii", maxLength: 60 }), (text) => {
      const target = parseTarget(`/api/ext/acme.hello/${text}`);
      if (target === null || target === "malformed") return;
      for (const segment of target.segments) {
        expect(segment).not.toMatch(/[/\\\0]/);
        expect([".", ".."]).not.toContain(segment);
      }
    }),
  );
});
