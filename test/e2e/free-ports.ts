import { createServer } from "node:net";

/** What a Caisson listens on above the port it is told: control, gateway, its runner's door, and the operations servers of its processes. */
const OFFSETS = [0, 1, 3, 4, 10, 11, 12, 13, 14];

/** A port that nothing listens on, nor on those that go with it. */
export async function freePorts(): Promise<number> {
  for (let attempt = 0; attempt < 50; attempt++) {
    const port = 20_000 + Math.floor(Math.random() * 12_000);
    const free = await Promise.all(OFFSETS.map((offset) => isFree(port + offset)));
    if (free.every(Boolean)) return port;
  }
  throw new Error("cannot find free ports");
}

function isFree(port: number): Promise<boolean> {
  return new Promise((resolve) => {
    const server = createServer();
    server.once("error", () => resolve(false));
    server.listen(port, "127.0.0.1", () => server.close(() => resolve(true)));
  });
}
