// Node's http server with npm http-message-sig: node signature_server.mjs PORT KEYS.json
// It answers the question that a gateway asks about a request, as Keywright's forward-auth does.

import { readFileSync } from "node:fs";
import { createServer } from "node:http";

import { SignatureError, requestOf, verifierOf } from "./verifying.mjs";
import { verifySignature } from "http-message-sig";

const [port, keyFile] = process.argv.slice(2);
const verifiers = new Map(
  JSON.parse(readFileSync(keyFile, "utf8")).map(({ clientId, algorithm, key }) => [
    clientId,
    verifierOf(algorithm, Buffer.from(key, "base64")),
  ]),
);
const policy = {
  algorithms: ["ed25519", "hmac-sha256"],
  requiredComponents: ["@method", "@target-uri", "content-digest"],
  requiredParameters: ["created", "keyid", "nonce"],
  maxAge: 300,
  clockSkew: 30,
};
const resolveVerifier = (candidate) => {
  const verifier = verifiers.get(candidate.parameters.keyid);
  if (!verifier) throw new SignatureError("unknown key");
  return verifier;
};

createServer(async (request, response) => {
  let verified;
  try {
    verified = await verifySignature(requestOf(request), { policy, resolveVerifier });
  } catch {
    response.writeHead(401, { "content-length": 0 }).end();
    return;
  }
  response.writeHead(200, { "client-id": verified.parameters.keyid, "content-length": 0 }).end();
}).listen(Number(port), "127.0.0.1");
