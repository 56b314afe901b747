// workerd's side of the JavaScript extension: a new isolate per request.
const code = `export default { fetch() { return new Response("hello\\n", { headers: { "content-type": "text/plain" } }); } };`;
let next = 0;

export default {
  fetch(request, env) {
    const worker = env.LOADER.get(`isolate-${next++}`, () => ({
      compatibilityDate: "2026-11-01",
      mainModule: "main.js",
      modules: { "main.js": code },
    }));
    return worker.getEntrypoint().fetch(request);
  },
};
