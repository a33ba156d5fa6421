// An independent OAuth client for the tests: npm oauth4webapi.
//
// One JSON object on stdin, one on stdout:
//   {"issuer": "...", "clientId": "...", "clientSecret": "...", "seed": base64, "method": "client_secret_basic", "audience": "..."}
//     -> {"ok": true, "token": {...}, "introspected": {...}, "claims": {...}}
//   and on any failure -> {"ok": false, "code": "...", "error": "..."}
//
// It reads the metadata, fetches a token, introspects it, and validates it as a resource server would (RFC 9068).

import { webcrypto } from "node:crypto";
import { text } from "node:stream/consumers";

import * as oauth from "oauth4webapi";

const PKCS8_ED25519 = Buffer.from("302e020100300506032b657004220420", "hex");
const insecure = { [oauth.allowInsecureRequests]: true }; // loopback without TLS

async function authentication(method, clientSecret, seed) {
  if (method === "client_secret_basic") return oauth.ClientSecretBasic(clientSecret);
  if (method === "client_secret_post") return oauth.ClientSecretPost(clientSecret);
  const pkcs8 = Buffer.concat([PKCS8_ED25519, Buffer.from(seed, "base64")]);
  return oauth.PrivateKeyJwt(await webcrypto.subtle.importKey("pkcs8", pkcs8, "Ed25519", false, ["sign"]));
}

async function run({ issuer, clientId, clientSecret, seed, method, audience }) {
  const url = new URL(issuer);
  const found = await oauth.discoveryRequest(url, { algorithm: "oauth2", ...insecure });
  const server = await oauth.processDiscoveryResponse(url, found);
  const client = { client_id: clientId };
  const proof = await authentication(method, clientSecret, seed);
  const granted = await oauth.clientCredentialsGrantRequest(server, client, proof, new URLSearchParams(), insecure);
  const token = await oauth.processClientCredentialsResponse(server, client, granted);
  const asked = await oauth.introspectionRequest(server, client, proof, token.access_token, insecure);
  const introspected = await oauth.processIntrospectionResponse(server, client, asked);
  const request = new Request("https://api.example.com/", { headers: { authorization: `Bearer ${token.access_token}` } });
  const claims = await oauth.validateJwtAccessToken(server, request, audience, insecure);
  return { token, introspected, claims };
}

let answer;
try {
  answer = { ok: true, ...(await run(JSON.parse(await text(process.stdin)))) };
} catch (error) {
  answer = { ok: false, code: error.error ?? error.code ?? error.name, error: String(error.message) };
}
process.stdout.write(JSON.stringify(answer));
