// workerd's side of the tiny extension: a fresh instance of a compiled module per request.
import module from "hello.wasm";

export default {
  fetch() {
    const { memory, handle } = new WebAssembly.Instance(module).exports;
    const body = new Uint8Array(memory.buffer, handle(), 6).slice();
    return new Response(body, { headers: { "content-type": "text/plain" } });
  },
};
