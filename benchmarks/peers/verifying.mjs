// What both Node programs here need for npm http-message-sig over node:crypto.

import { createHmac, createPublicKey, timingSafeEqual, verify } from "node:crypto";

const SPKI_ED25519 = Buffer.from("302a300506032b6570032100", "hex");

export class SignatureError extends Error {}

export function verifierOf(algorithm, key) {
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

// The request that a gateway asks about, from X-Original-Method and X-Original-URL.
export function requestOf({ headers, rawHeaders }) {
  const fields = [];
  for (let at = 0; at < rawHeaders.length; at += 2) fields.push({ name: rawHeaders[at], value: rawHeaders[at + 1] });
  return { kind: "request", method: headers["x-original-method"], targetUri: headers["x-original-url"], fields };
}
