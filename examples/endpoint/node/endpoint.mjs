// A WhatsApp Flow endpoint that tries every private key in a folder.

import {
  constants,
  createCipheriv,
  createDecipheriv,
  createHmac,
  createPrivateKey,
  privateDecrypt,
  timingSafeEqual,
} from "node:crypto";
import { readdirSync, readFileSync } from "node:fs";
import { createServer } from "node:http";

const { KEY_FOLDER = "keys", APP_SECRET_FILE, PORT = "8080" } = process.env;

// SHA-256 both for the label and for MGF1.
const OAEP = { padding: constants.RSA_PKCS1_OAEP_PADDING, oaepHash: "sha256" };
const TAG_BYTES = 16;

// Your Flow goes here.
function answer(request) {
  if (request.action === "ping") return { data: { status: "active" } };
  if (request.data?.error) return { data: { acknowledged: true } };
  return { screen: "SUCCESS", data: {} };
}

// Accepts every request if there is no file with the app secret.
function isSigned(body, signature = "") {
  if (!APP_SECRET_FILE) return true;
  const secret = readFileSync(APP_SECRET_FILE, "utf8").trim();
  if (!secret) throw new Error(`${APP_SECRET_FILE} is empty`);
  const hmac = createHmac("sha256", secret).update(body).digest("hex");
  const expected = Buffer.from(`sha256=${hmac}`);
  const given = Buffer.from(signature);
  return given.length === expected.length && timingSafeEqual(given, expected);
}

// Reads the folder for each request, so that a new key works without a restart.
function readKeys() {
  // In a mounted Secret, names with a leading dot belong to Kubernetes.
  const names = readdirSync(KEY_FOLDER).filter((name) => !name.startsWith("."));
  return names.flatMap((name) => {
    try {
      const pem = readFileSync(`${KEY_FOLDER}/${name}`);
      return [{ name, key: createPrivateKey(pem) }];
    } catch (error) {
      console.error(`${name} is not a private key: ${error.message}`);
      return [];
    }
  });
}

function open(body) {
  const fields = JSON.parse(body);
  const bytes = (name) => Buffer.from(fields[name], "base64");
  const data = bytes("encrypted_flow_data");
  const encryptedKey = bytes("encrypted_aes_key");
  const iv = bytes("initial_vector");
  for (const { name, key } of readKeys()) {
    try {
      const aesKey = privateDecrypt({ key, ...OAEP }, encryptedKey);
      const text = decrypt(data, aesKey, iv);
      console.log(`${name} opened the request`);
      return { request: JSON.parse(text), aesKey, iv };
    } catch {
      // Perhaps the next key opens the request.
    }
  }
  throw new Error("no key opens the request");
}

function decrypt(data, aesKey, iv) {
  const options = { authTagLength: TAG_BYTES };
  const decipher = createDecipheriv("aes-128-gcm", aesKey, iv, options);
  decipher.setAuthTag(data.subarray(-TAG_BYTES));
  const text = decipher.update(data.subarray(0, -TAG_BYTES));
  return Buffer.concat([text, decipher.final()]);
}

// Encrypts the answer with the key of the request, and with every bit of the IV flipped.
function seal(text, aesKey, iv) {
  const flipped = iv.map((byte) => byte ^ 0xff);
  const cipher = createCipheriv("aes-128-gcm", aesKey, flipped);
  const parts = [cipher.update(text), cipher.final(), cipher.getAuthTag()];
  return Buffer.concat(parts).toString("base64");
}

function respond(body, signature) {
  if (!isSigned(body, signature)) return [432, ""];
  let opened;
  try {
    opened = open(body);
  } catch (error) {
    console.error(error.message);
    return [421, ""];
  }
  const text = JSON.stringify(answer(opened.request));
  return [200, seal(text, opened.aesKey, opened.iv)];
}

const server = createServer((message, response) => {
  const chunks = [];
  message.on("data", (chunk) => chunks.push(chunk));
  message.on("end", () => {
    let status = 500;
    let text = "";
    try {
      const signature = message.headers["x-hub-signature-256"];
      [status, text] = respond(Buffer.concat(chunks), signature);
    } catch (error) {
      console.error(error);
    }
    response.writeHead(status, { "Content-Type": "text/plain" }).end(text);
  });
});
server.listen(Number(PORT), () => console.log(`listening on port ${PORT}`));
process.once("SIGTERM", () => server.close());
