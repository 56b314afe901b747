// The request in a release: most handlers look at little of it, so each part is made when it is asked for, then kept.
import { body, headers, method, params, path, query } from "caisson:inside/request";

const takers = Object.entries({ method, path, query, params, headers, body });
/** An instance serves one call, so its request is part of the image that every instance starts from. */
let prepared = prepare();

/** As the component model would hand it over: own properties, which a handler may set. */
function prepare() {
  const request = {};
  for (const [name, take] of takers) {
    const keep = (value) =>
      Object.defineProperty(request, name, {
        value,
        writable: true,
        enumerable: true,
        configurable: true,
      });
    Object.defineProperty(request, name, {
      get: () => keep(take())[name],
      set: keep,
      enumerable: true,
      configurable: true,
    });
  }
  return request;
}

export function nextRequest() {
  const request = prepared ?? prepare();
  prepared = null;
  return request;
}
