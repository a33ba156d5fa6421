// Times the npm libraries in a Node process of its own: one JSON question per line, {"micros": N} per answer.
// As with the other contestants, a verification includes the sha-256 Content-Digest of the body.

import { createHash } from "node:crypto";
import { createInterface } from "node:readline";

import { verifySignature } from "http-message-sig";
import signatures from "http-message-signatures";

import { verifierOf } from "./verifying.mjs";

const REQUIRED = ["@method", "@target-uri", "content-digest"];
const PARAMETERS = ["created", "keyid", "nonce"];

// Each makes from a question what is to be timed.
const libraries = {
  "http-message-sig": ({ algorithm, key, method, url, headers }) => {
    const verifier = verifierOf(algorithm, key);
    const request = { kind: "request", method, targetUri: url, fields: headers.map(([name, value]) => ({ name, value })) };
    const policy = {
      algorithms: [algorithm],
      requiredComponents: REQUIRED,
      requiredParameters: PARAMETERS,
      maxAge: 300,
      clockSkew: 30,
    };
    return async () => verifySignature(request, { policy, resolveVerifier: () => verifier });
  },
  "http-message-signatures": ({ algorithm, key, method, url, headers }) => {
    const { verify } = verifierOf(algorithm, key);
    const config = {
      keyLookup: async (parameters) => ({ id: parameters.keyid, algs: [algorithm], verify: async (...given) => verify(...given) }),
      requiredFields: REQUIRED,
      requiredParams: PARAMETERS,
      maxAge: 300,
      tolerance: 30,
    };
    const message = { method, url, headers: Object.fromEntries(headers) };
    return async () => {
      if ((await signatures.httpbis.verifyMessage(config, message)) !== true) throw new Error("not verified");
    };
  },
};

async function time({ library, body, times, ...question }) {
  const content = Buffer.from(body, "base64");
  const digest = question.headers.find(([name]) => name === "Content-Digest")[1];
  const verify = libraries[library]({ ...question, key: Buffer.from(question.key, "base64") });
  const started = process.hrtime.bigint();
  for (let turn = 0; turn < times; turn += 1) {
    await verify();
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
