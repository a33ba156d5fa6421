// An independent signer and verifier for the tests: npm http-message-sig over node:crypto.
//
// A long-lived process. One JSON object per line on stdin, one per line on stdout, in the same order.
//
//   {"op": "ping"}
//     -> {"ok": true}
//   {"op": "sign", "request": R, "algorithm": A, "key": K, "components": [C...], "parameters": {...}, "label": L}
//     -> {"ok": true, "headers": {"Signature-Input": "...", "Signature": "..."}}
//   {"op": "verify", "request": R, "algorithm": A, "key": K, "components": [C...], "now": N, "label": L}
//     -> {"ok": true, "label": "...", "components": ["..."], "parameters": {...}}
//   and on any failure -> {"ok": false, "code": "...", "error": "..."}
//
// R = {"method": "...", "url": "absolute", "headers": [["Name", "value"], ...]}
// A = "ed25519" or "hmac-sha256"
// K = base64: for "sign" the 32-byte Ed25519 seed, for "verify" the 32-byte public key; the secret for HMAC
// C = "name" or {"name": "example-dict", "parameters": {"key": "a"}}; for "verify": what must be covered
// N = seconds since the epoch; L may be left out ("sig1", or the only one there is)
// Bodies are not looked at: add Content-Digest to the headers, and compare it with the body elsewhere.

import { createHmac, createPrivateKey, createPublicKey, sign, timingSafeEqual, verify } from "node:crypto";
import { createInterface } from "node:readline";

import { componentIdentity, createSignatureSync, verifySignature } from "http-message-sig";

const PKCS8_ED25519 = Buffer.from("302e020100300506032b657004220420", "hex");
const SPKI_ED25519 = Buffer.from("302a300506032b6570032100", "hex");

function descriptor({ method, url, headers }) {
  return { kind: "request", method, targetUri: url, fields: headers.map(([name, value]) => ({ name, value })) };
}

function signer(algorithm, key) {
  if (algorithm === "hmac-sha256") {
    return { algorithm, sign: (data) => createHmac("sha256", key).update(data).digest() };
  }
  const privateKey = createPrivateKey({ key: Buffer.concat([PKCS8_ED25519, key]), format: "der", type: "pkcs8" });
  return { algorithm, sign: (data) => sign(null, data, privateKey) };
}

function verifier(algorithm, key) {
  if (algorithm === "hmac-sha256") {
    return {
      algorithm,
      verify: (data, signature) =>
        signature.length === 32 && timingSafeEqual(createHmac("sha256", key).update(data).digest(), signature),
    };
  }
  const publicKey = createPublicKey({ key: Buffer.concat([SPKI_ED25519, key]), format: "der", type: "spki" });
  return { algorithm, verify: (data, signature) => verify(null, data, publicKey, signature) };
}

const operations = {
  ping: () => ({}),

  sign({ request, algorithm, key, components, parameters, label = "sig1" }) {
    const fields = createSignatureSync(descriptor(request), {
      label,
      components,
      parameters,
      signer: signer(algorithm, Buffer.from(key, "base64")),
    });
    return { headers: { "Signature-Input": fields.signatureInput, Signature: fields.signature } };
  },

  async verify({ request, algorithm, key, components = [], now, label }) {
    const verified = await verifySignature(descriptor(request), {
      label,
      policy: {
        algorithms: [algorithm],
        requiredComponents: components,
        requiredParameters: ["created", "keyid", "nonce"],
        maxAge: 300,
        clockSkew: 30,
        now,
      },
      resolveVerifier: () => verifier(algorithm, Buffer.from(key, "base64")),
    });
    return {
      label: verified.label,
      components: verified.components.map(componentIdentity),
      parameters: verified.parameters,
    };
  },
};

for await (const line of createInterface({ input: process.stdin, crlfDelay: Infinity })) {
  let answer;
  try {
    const { op, ...question } = JSON.parse(line);
    answer = { ok: true, ...(await operations[op](question)) };
  } catch (error) {
    answer = { ok: false, code: error.code ?? error.name, error: String(error.message) };
  }
  process.stdout.write(`${JSON.stringify(answer)}\n`);
}
