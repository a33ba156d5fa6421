// Times npm http-message-sig in a Node process of its own: one JSON question per line, {"micros": N} per answer.
// As in the Python contenders, a verification includes the sha-256 Content-Digest of the body.

import { createHash, createHmac, createPublicKey, timingSafeEqual, verify } from "node:crypto";
import { createRequire } from "node:module";
import { createInterface } from "node:readline";

const require = createRequire(new URL("../tests/peers/package.json", import.meta.url));
const { verifySignature } = await import(require.resolve("http-message-sig"));
const SPKI_ED25519 = Buffer.from("302a300506032b6570032100", "hex");

function verifierOf(algorithm, key) {
  if (algorithm === "hmac-sha256") {
    return {
      algorithm,
      verify: (data, signature) => timingSafeEqual(createHmac("sha256", key).update(data).digest(), signature),
    };
  }
  const publicKey = createPublicKey({ key: Buffer.concat([SPKI_ED25519, key]), format: "der", type: "spki" });
  return { algorithm, verify: (data, signature) => verify(null, data, publicKey, signature) };
}

async function time({ algorithm, key, method, url, headers, body, times }) {
  const content = Buffer.from(body, "base64");
  const verifier = verifierOf(algorithm, Buffer.from(key, "base64"));
  const request = { kind: "request", method, targetUri: url, fields: headers.map(([name, value]) => ({ name, value })) };
  const digest = headers.find(([name]) => name === "Content-Digest")[1];
  const policy = {
    algorithms: [algorithm],
    requiredComponents: ["@method", "@target-uri", "content-digest"],
    requiredParameters: ["created", "keyid", "nonce"],
    maxAge: 300,
    clockSkew: 30,
  };
  const started = process.hrtime.bigint();
  for (let turn = 0; turn < times; turn += 1) {
    await verifySignature(request, { policy, resolveVerifier: () => verifier });
    if (`sha-256=:${createHash("sha256").update(content).digest("base64")}:` !== digest) throw new Error("digest");
  }
  return Number(process.hrtime.bigint() - started) / times / 1000;
}

for await (const line of createInterface({ input: process.stdin })) {
  let answer;
  try {
    answer = { micros: await time(JSON.parse(line)) };
  } catch (error) {
    answer = { error: String(error) };
  }
  process.stdout.write(`${JSON.stringify(answer)}\n`);
}
