export const endpointMethods = [
  "GET",
  "HEAD",
  "OPTIONS",
  "POST",
  "PUT",
  "PATCH",
  "DELETE",
] as const;
export type EndpointMethod = (typeof endpointMethods)[number];

export interface Endpoint {
  readonly method: EndpointMethod;
  /** `/` or `/segment/:parameter`; equal segments, exact method. */
  readonly path: string;
}

const SEGMENT = /^(?:[A-Za-z0-9._~-]{1,64}|:[a-z][a-zA-Z0-9]{0,31})$/;

/** Null where the method is unknown or a segment is neither plain nor a `:parameter`. */
export function parseEndpoint(method: string, path: string): Endpoint | null {
  const known = endpointMethods.find((name) => name === method);
  if (known === undefined || !path.startsWith("/") || path.length > 512) return null;
  const segments = path === "/" ? [] : path.slice(1).split("/");
  if (segments.some((segment) => !SEGMENT.test(segment) || segment === "." || segment === ".."))
    return null;
  return { method: known, path };
}
