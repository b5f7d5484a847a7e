// `jose` and `jsonwebtoken` of Node.js behind the same few commands, called as their own documentation shows.
// Each line of standard input is a JSON request, each line of standard output a JSON response.
// The response to a refusal is the code or message of the library; the tests check it.

import { createPrivateKey, createPublicKey, createSecretKey } from "node:crypto";
import { createInterface } from "node:readline";
import * as jose from "jose";
import jsonwebtoken from "jsonwebtoken";

// jsonwebtoken needs KeyObjects; jose accepts JWKs.
const signingKey = (jwk) =>
  jwk.kty === "oct" ? createSecretKey(jwk.k, "base64url") : createPrivateKey({ key: jwk, format: "jwk" });
const verifyingKey = (jwk) =>
  jwk.kty === "oct" ? createSecretKey(jwk.k, "base64url") : createPublicKey({ key: jwk, format: "jwk" });

const commands = {
  "jose sign": async ({ header, claims, jwk }) => ({
    token: await new jose.SignJWT(claims)
      .setProtectedHeader(header)
      .sign(await jose.importJWK(jwk, header.alg)),
  }),

  "jose verify": async ({ token, jwk, algorithm, issuer, audience }) => ({
    claims: (
      await jose.jwtVerify(token, await jose.importJWK(jwk, algorithm), {
        algorithms: [algorithm],
        typ: "at+jwt",
        issuer,
        audience,
      })
    ).payload,
  }),

  "jose verify with key set": async ({ token, jwks, issuer, audience }) => ({
    claims: (await jose.jwtVerify(token, jose.createLocalJWKSet(jwks), { typ: "at+jwt", issuer, audience })).payload,
  }),

  "jose generate": async ({ algorithm }) => {
    const { privateKey, publicKey } = await jose.generateKeyPair(algorithm, { extractable: true });
    return {
      jwk: await jose.exportJWK(privateKey),
      private_pem: await jose.exportPKCS8(privateKey),
      public_pem: await jose.exportSPKI(publicKey),
    };
  },

  "jose thumbprint": async ({ jwk }) => ({ thumbprint: await jose.calculateJwkThumbprint(jwk, "sha256") }),

  "jsonwebtoken sign": async ({ header, claims, jwk }) => ({
    token: jsonwebtoken.sign(claims, signingKey(jwk), { algorithm: header.alg, header }),
  }),

  "jsonwebtoken verify": async ({ token, jwk, algorithm, issuer, audience }) => ({
    claims: jsonwebtoken.verify(token, verifyingKey(jwk), { algorithms: [algorithm], issuer, audience }),
  }),
};

for await (const line of createInterface({ input: process.stdin })) {
  const { command, ...request } = JSON.parse(line);
  let answer;
  try {
    answer = await commands[command](request);
  } catch (error) {
    answer = { error: error.code === "ERR_JWT_CLAIM_VALIDATION_FAILED" ? `${error.code} ${error.claim}` : (error.code ?? error.message) };
  }
  process.stdout.write(`${JSON.stringify(answer)}\n`);
}
