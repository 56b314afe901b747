import { writeFileSync } from "node:fs";
import { describeSchema } from "#store";
import { startTestDatabase } from "../test/store/database.ts";

await using database = await startTestDatabase();
writeFileSync("src/control/store/schema.sql", await describeSchema(database.owner));
