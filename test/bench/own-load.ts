import { createConnection } from "node:net";

// Takes wrk's arguments and prints wrk's two lines: for machines that have no wrk.
const args = process.argv.slice(2);
const value = (flag: string) => args.find((arg) => arg.startsWith(flag))?.slice(flag.length) ?? "";
const url = new URL(args.at(-1) ?? "");
const header = args[args.indexOf("-H") + 1] ?? "";
const lines = [
  `GET ${url.pathname} HTTP/1.1`,
  `host: ${url.host}`,
  ...(args.includes("-H") ? [header] : []),
];
const request = Buffer.from(`${lines.join("\r\n")}\r\n\r\n`);
const millis = Number.parseInt(value("-d"), 10) * 1_000;
let [answered, failed] = [0, 0];

/** One kept-alive connection: the next request leaves when the answer is whole. */
function connect(): Promise<void> {
  return new Promise((resolve) => {
    const socket = createConnection({ host: url.hostname, port: Number(url.port), noDelay: true });
    let pending = "";
    socket.setEncoding("latin1");
    socket.on("connect", () => socket.write(request));
    socket.on("data", (chunk: string) => {
      pending += chunk;
      if (!isWhole(pending)) return;
      answered++;
      if (!/^HTTP\/1\.1 [23]/.test(pending)) failed++;
      pending = "";
      if (performance.now() < end) socket.write(request);
      else socket.destroy();
    });
    socket.on("error", () => failed++);
    socket.on("close", () => resolve());
  });
}

function isWhole(text: string): boolean {
  const head = text.indexOf("\r\n\r\n");
  if (head < 0) return false;
  const length = /\r\ncontent-length: (\d+)/i.exec(text)?.[1];
  return length === undefined
    ? text.endsWith("0\r\n\r\n")
    : text.length >= head + 4 + Number(length);
}

const start = performance.now();
const end = start + millis;
await Promise.all(Array.from({ length: Number(value("-c")) }, connect));
const seconds = (performance.now() - start) / 1_000;
process.stdout.write(`${answered} requests in ${seconds.toFixed(2)}s\n`);
if (failed > 0) process.stdout.write(`Non-2xx or 3xx responses: ${failed}\n`);
process.stdout.write(`Requests/sec: ${(answered / seconds).toFixed(2)}\n`);
