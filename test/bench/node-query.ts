import { createServer } from "node:http";
import pg from "pg";

// Plain Node that answers each request with one value read from the same table by its key: what kv.get.cpu is measured against.
const [port = "0", socketFolder = "", tenant = "", install = "", key = ""] = process.argv.slice(2);
const pool = new pg.Pool({
  host: socketFolder,
  port: 5432,
  user: "caisson_super",
  database: "caisson",
  max: 8,
});
const QUERY = {
  name: "get",
  text: "select value, revision from kv_entry where tenant_id = $1 and install_id = $2 and key = $3",
};

createServer((_request, response) => {
  pool
    .query<{ value: Buffer }>({ ...QUERY, values: [tenant, install, Buffer.from(key)] })
    .then(({ rows: [row] }) => response.end(row?.value))
    .catch(() => response.writeHead(500).end());
}).listen(Number(port), "127.0.0.1");
