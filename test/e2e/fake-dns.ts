import { createSocket } from "node:dgram";

/** A name server on this machine: what it answers for a name, and how often it was asked. */
export interface FakeDns extends AsyncDisposable {
  readonly server: string;
}

const [A, AAAA, OK] = [1, 28, 0x8180];

/** answer: addresses for a name, IPv4 or IPv6 in full, by the count of earlier questions for it. */
export async function startFakeDns(
  answer: (name: string, asked: number) => readonly string[],
): Promise<FakeDns> {
  const socket = createSocket("udp4");
  const asked = new Map<string, number>();
  socket.on("message", (query, from) => {
    const { name, type, end } = question(query);
    const count = asked.get(`${name} ${type}`) ?? 0;
    asked.set(`${name} ${type}`, count + 1);
    const wanted = type === A ? 4 : type === AAAA ? 16 : 0;
    const found = answer(name, count)
      .map(addressBytes)
      .filter((bytes) => bytes.length === wanted);
    const head = Buffer.alloc(12);
    query.copy(head, 0, 0, 2);
    head.writeUInt16BE(OK, 2);
    head.writeUInt16BE(1, 4);
    head.writeUInt16BE(found.length, 6);
    const records = found.map((bytes) =>
      Buffer.concat([Buffer.of(0xc0, 12, 0, type, 0, 1, 0, 0, 0, 0, 0, bytes.length), bytes]),
    );
    socket.send(
      Buffer.concat([head, query.subarray(12, end), ...records]),
      from.port,
      from.address,
    );
  });
  await new Promise<void>((resolve) => socket.bind(0, "127.0.0.1", resolve));
  const { port } = socket.address();
  return {
    server: `127.0.0.1:${port}`,
    [Symbol.asyncDispose]: () => new Promise((resolve) => socket.close(() => resolve())),
  };
}

function question(query: Buffer): { name: string; type: number; end: number } {
  const labels: string[] = [];
  let at = 12;
  for (let length = query[at] ?? 0; length > 0; length = query[at] ?? 0) {
    labels.push(query.toString("latin1", at + 1, at + 1 + length));
    at += 1 + length;
  }
  return { name: labels.join(".").toLowerCase(), type: query.readUInt16BE(at + 1), end: at + 5 };
}

/** IPv6 as eight groups without "::". */
function addressBytes(address: string): Buffer {
  if (!address.includes(":")) return Buffer.from(address.split(".").map(Number));
  return Buffer.from(
    address
      .split(":")
      .map((group) => group.padStart(4, "0"))
      .join(""),
    "hex",
  );
}
