import { createServer } from "node:http";

// Plain Node that answers each request with what another server answers: what fetch.cpu is measured against.
const [port = "0", upstream = ""] = process.argv.slice(2);

createServer((_request, response) => {
  fetch(upstream)
    .then((answer) => answer.arrayBuffer())
    .then((body) => response.end(Buffer.from(body)))
    .catch(() => response.writeHead(502).end());
}).listen(Number(port), "127.0.0.1");
