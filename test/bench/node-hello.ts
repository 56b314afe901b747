import { createServer } from "node:http";

// The unit of every figure: plain Node, one process, the same body as the tiny extension.
const port = Number(process.argv[2]);
createServer((_request, response) => {
  response.writeHead(200, { "content-type": "text/plain", "content-length": "6" });
  response.end("hello\n");
}).listen(port, "127.0.0.1");
