import { OutgoingBody } from "caisson:ext/types@1.0.0";
import { write } from "caisson:ext/log@1.0.0";

const bytesOf = (text) => Uint8Array.from(text, (sign) => sign.charCodeAt(0));
const textOf = (bytes) => Array.from(bytes, (byte) => String.fromCharCode(byte)).join("");

function answer(bytes, status = 200, headers = []) {
  const body = new OutgoingBody();
  for (let at = 0; at < bytes.length; at += 100_000) body.write(bytes.subarray(at, at + 100_000));
  return { status, headers, body };
}

let calls = 0;

class Counter {
  #count = 0;
  static made = 0;
  constructor() {
    Counter.made++;
  }
  *upTo(limit) {
    while (this.#count < limit) yield this.#count++;
  }
}

function caught(run) {
  try {
    return String(run());
  } catch (error) {
    return `${error.name}: ${error.message}`;
  }
}

/** What the language does, as one text. */
function language() {
  const values = {
    calls: ++calls,
    numbers: [
      0.1 + 0.2,
      1e21,
      -0,
      2 ** 53,
      Math.sin(1),
      Math.pow(2.5, 3.3),
      Number.parseFloat("1e-7"),
    ],
    big: String(2n ** 200n / 7n),
    sorted: Array.from({ length: 200 }, (_, i) => (i * 7919) % 211).sort((a, b) => a - b),
    regex: "2026-11-25T10:00:00Z".replace(/(?<y>\d{4})-(?<m>\d\d)/u, "$<m>/$<y>"),
    unicode: caught(() => [
      "e\u0301".normalize("NFC"),
      "\u{1f980}".length,
      "\u00e9".localeCompare("f"),
    ]),
    json: JSON.stringify({ nested: { a: [1, { b: null }], "\u2028": "\u0000" } }),
    parsed: caught(() => JSON.parse('{"a":')),
    generator: [...new Counter().upTo(20)],
    made: Counter.made,
    map: [
      ...new Map([
        ["a", 1],
        ["b", 2],
      ]).entries(),
    ],
    typed: [...new Float32Array([1.1, 2.2])],
    proxied: new Proxy({}, { get: (_, name) => `got ${String(name)}` }).thing,
    evaluated: caught(() => globalThis[["ev", "al"].join("")]("1 + 1")),
    undefinedCall: caught(() => undefined.nothing),
    notDefined: caught(() => nothingOfThatName),
    tagged: caught(() => Symbol("s") + ""),
    date: new Date(0).toISOString(),
  };
  return JSON.stringify(values);
}

const TEXTS = [
  "",
  "hello\n",
  "caf\u00e9 \u{1f980}",
  "\ufeffmark",
  "lone \ud800 and \udc00",
  "\u0000nul",
  "\uffff\u{10ffff}",
];
/** First and last sequences of each length, and what is not well-formed: too long, surrogates, beyond the last, cut short. */
const BYTES = [
  [0x7f],
  [0xc2, 0x80],
  [0xdf, 0xbf],
  [0xe0, 0xa0, 0x80],
  [0xed, 0x9f, 0xbf],
  [0xee, 0x80, 0x80],
  [0xef, 0xbf, 0xbf],
  [0xf0, 0x90, 0x80, 0x80],
  [0xf4, 0x8f, 0xbf, 0xbf],
  [0xef, 0xbb, 0xbf, 0x61],
  [...new Uint8Array(20).fill(97), 0xc3, 0xa9],
  [0x80],
  [0xc0, 0x80],
  [0xc1, 0xbf],
  [0xe0, 0x9f, 0xbf],
  [0xed, 0xa0, 0x80],
  [0xf0, 0x8f, 0xbf, 0xbf],
  [0xf4, 0x90, 0x80, 0x80],
  [0xf5, 0x80, 0x80, 0x80],
  [0xff],
  [0xc2],
  [0xe2, 0x82],
  [0xf0, 0x9f, 0xa6],
  [0xc2, 0x41],
  [0xe2, 0x82, 0x41],
  [0xf0, 0x9f, 0xa6, 0x41],
  [...new Uint8Array(9).fill(97), 0xff, ...new Uint8Array(9).fill(98)],
];

// The top level runs when the component is built.
const BUILT = new TextEncoder().encode("built: caf\u00e9");

/** What the text codecs do, as one text. */
function codecs() {
  const [encoder, lossy, strict] = [
    new TextEncoder(),
    new TextDecoder(),
    new TextDecoder("utf-8", { fatal: true }),
  ];
  const big = "0123456789abcdef".repeat(1 << 12) + "\u00e9";
  return JSON.stringify({
    encoded: TEXTS.map((text) => Array.from(encoder.encode(text))),
    whole: TEXTS.map((text) => caught(() => escape(lossy.decode(encoder.encode(text))))),
    lossy: BYTES.map((bytes) => escape(lossy.decode(Uint8Array.from(bytes)))),
    strict: BYTES.map((bytes) => caught(() => escape(strict.decode(Uint8Array.from(bytes))))),
    inside: escape(lossy.decode(Uint8Array.from([1, 2, 97, 98, 3]).subarray(2, 4))),
    buffer: escape(lossy.decode(Uint8Array.from([97, 98]).buffer)),
    owned: [encoder.encode("ab")].map(({ byteOffset, buffer }) => [byteOffset, buffer.byteLength]),
    built: escape(lossy.decode(BUILT)),
    other: caught(() => encoder.encode(12)),
    nothing: [encoder.encode().length, lossy.decode()],
    big: lossy.decode(encoder.encode(big)) === big,
  });
}

/** The request as an object, as one text. */
function shape(request) {
  const before = Object.keys(request);
  const { body, ...copied } = request;
  request.path = "/set";
  delete request.query;
  return JSON.stringify({
    before,
    copied,
    kept: request.headers === request.headers,
    body: body === request.body,
    after: { path: request.path, query: request.query, keys: Object.keys(request) },
  });
}

function fill(mebibytes) {
  const kept = [];
  for (let i = 0; i < mebibytes; i++) kept.push(new Uint8Array(1 << 20).fill(i));
  return kept.reduce((sum, part) => sum + part[17], 0);
}

const forever = () => {
  for (;;);
};

const ways = {
  language: () => answer(bytesOf(language())),
  codecs: () => answer(bytesOf(codecs())),
  shape: (request) => answer(bytesOf(shape(request))),
  setFirst: (request) => {
    request.headers = [];
    return answer(bytesOf(JSON.stringify(request.headers)));
  },
  sum: ({ body }) => {
    let sum = 17;
    for (let part = body.read(70_000); part.length > 0; part = body.read(70_000))
      for (const byte of part) sum = (sum * 31 + byte) >>> 0;
    return answer(bytesOf(String(sum)));
  },
  copy: ({ body }) => answer(body.readAll(8 << 20)),
  tooLong: ({ body }) => answer(bytesOf(caught(() => body.readAll(3)))),
  headers: () =>
    answer(new Uint8Array(), 418, [
      { name: "x-one", value: "1" },
      { name: "x-one", value: "2" },
      { name: "content-type", value: "text/css" },
    ]),
  log: () => {
    for (const level of ["debug", "info", "warn", "error"])
      write(level, `${level}: caf\u00e9 \u{1f980}`);
    return answer(bytesOf("logged"));
  },
  logALot: () => {
    for (let i = 0; i < 400; i++) write("info", `line ${i}`);
    return answer(bytesOf("logged"));
  },
  badLevel: () => answer(bytesOf(caught(() => write("loud", "x")))),
  throwError: () => {
    throw new TypeError("on purpose");
  },
  throwText: () => {
    throw "on purpose";
  },
  badStatus: () => answer(new Uint8Array(), 99),
  badShape: () => ({ status: "no" }),
  nothing: () => undefined,
  recurse: () => ways.recurse(),
  forever,
  some: () => answer(bytesOf(String(fill(6)))),
  tooMuch: () => answer(bytesOf(String(fill(200)))),
  seen: ({ method, path, query, params, headers }) =>
    answer(new TextEncoder().encode(JSON.stringify({ method, path, query, params, headers }))),
};

export const handler = {
  handle(request) {
    if (request.method !== "POST") return ways.seen(request);
    const way = textOf(request.body.read(1));
    const name = Object.keys(ways)[way.charCodeAt(0) - 65] ?? "seen";
    return ways[name](request);
  },
};
