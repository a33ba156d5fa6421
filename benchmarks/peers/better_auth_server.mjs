// Node's http server with npm better-auth and its API key plugin on SQLite: node better_auth_server.mjs PORT DATABASE
// Prints the API key that it made, and takes it in X-API-Key.

import { createServer } from "node:http";

import { apiKey } from "@better-auth/api-key";
import { betterAuth } from "better-auth";
import { getMigrations } from "better-auth/db/migration";
import Database from "better-sqlite3";

const [port, file] = process.argv.slice(2);
const database = new Database(file);
database.pragma("journal_mode = WAL"); // as Keywright has its own, and faster than SQLite's default
const auth = betterAuth({
  database,
  baseURL: `http://127.0.0.1:${port}`,
  secret: "a secret of a benchmark, which guards nothing",
  emailAndPassword: { enabled: true },
  telemetry: { enabled: false },
  plugins: [apiKey({ rateLimit: { enabled: false } })], // by default a key may be used ten times a day
});
await (await getMigrations(auth.options)).runMigrations();
const { user } = await auth.api.signUpEmail({
  body: { email: "bench@example.com", password: "correct horse battery", name: "Bench" },
});
const made = await auth.api.createApiKey({ body: { userId: user.id, name: "bench" } });

createServer(async (request, response) => {
  const { valid } = await auth.api.verifyApiKey({ body: { key: request.headers["x-api-key"] ?? "" } });
  response.writeHead(valid ? 200 : 401, { "content-length": 0 }).end();
}).listen(Number(port), "127.0.0.1", () => process.stdout.write(`${JSON.stringify({ key: made.key })}\n`));
